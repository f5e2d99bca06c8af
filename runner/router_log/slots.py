"""What is known of the containers of an attached run, for its router lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.caddy_config import dial
from runner.router_log.codes import Code
from runner.slot import ContainerState

if TYPE_CHECKING:
    from runner.slot import Slot


class SlotStanding:
    """Told of each change; an attached run with a load balancer always wants web containers."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._crashed: set[str] = set()

    def changed(self, slot: Slot) -> None:
        if slot.serves is not None:
            self._names[dial(slot.serves)] = slot.name
        if slot.state is ContainerState.CRASHED:
            self._crashed.add(slot.name)
        elif slot.state is ContainerState.UP:
            self._crashed.discard(slot.name)

    def name_of(self, upstream: str) -> str:
        return self._names.get(upstream, "")

    def why_nobody(self) -> Code:
        is_web = any(name.startswith("web.") for name in self._crashed)
        return Code.H10 if is_web else Code.H20
