"""What the supervisor decides by: how patient it is, what stands in front, how a run ended."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from buildpack.support.errors import ExitCode
from buildpack.support.values import value
from runner.engines.base import Address
from runner.formation import WEB

if TYPE_CHECKING:
    from runner.slot import Slot

BACK_OFF_LIMIT = 60.0
STEADY = 300.0  # seconds up after which earlier crashes are forgotten
LOOK_INTERVAL = 0.02
PATIENT_AFTER = 5.0  # seconds of booting after which looking every 20 ms is too often
PATIENT_INTERVAL = 0.25


class Attended(Protocol):
    """Something whose processes have streams to watch."""

    def streams(self) -> tuple[int, ...]:
        """Descriptors to watch; ``attend`` is called when one is readable."""

    def attend(self) -> Sequence[str]:
        """Look after itself; what came of it, as log lines."""


class Front(Attended, Protocol):
    """What stands before the web containers."""

    def serve(self, addresses: Sequence[Address]) -> None:
        """Send requests to these, and to no others."""

    def stop(self) -> None:
        """Take no new requests; those under way are finished."""


class FrontWatch:
    """Has a front look after itself whenever one of its streams says something."""

    def __init__(
        self, front: Attended, selector: selectors.BaseSelector, say: Callable[[str], None]
    ) -> None:
        self._front, self._selector, self._say = front, selector, say

    def watch(self) -> None:
        for descriptor in self._front.streams():
            self._selector.register(descriptor, selectors.EVENT_READ, self._attend)

    def unwatch(self) -> None:
        for descriptor in self._front.streams():
            if descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)

    def change(self, act: Callable[[], Sequence[str]]) -> None:
        """Do what may give it other streams, and say what came of it."""
        self.unwatch()
        try:
            for line in act():
                self._say(line)
        finally:
            self.watch()

    def _attend(self) -> None:
        self.change(self._front.attend)


@value
class Policy:
    """How patient the supervisor is."""

    boot_timeout: float = 60.0
    stop_timeout: float = 30.0
    exit_on_crash: bool = False
    publish: int | None = None
    """The port of this machine that a lone web container gets without a router."""


@value
class Outcome:
    """How a run ended. ``reason`` is empty when the person watching asked for it."""

    exit_code: int
    reason: str = ""


def outcome_of_crash(slot: Slot, code: int, policy: Policy, *, was_up: bool) -> Outcome | None:
    """How the run ends because a container did; None where another one takes its place.

    ``was_up``: the whole formation was, at some time.
    """
    if slot.boot_failure and not was_up:
        found = f"it listens on {slot.boot_failure}"
        reason = f"{slot.name} did not listen on its PORT in time; {found}."
        return Outcome(exit_code=ExitCode.TRY_AGAIN, reason=reason)
    if policy.exit_on_crash:
        return Outcome(exit_code=code, reason=f"{slot.name} ended.")
    if not was_up and slot.spec.process_type == WEB:
        reason = f"{slot.name} ended before the app was up; see its lines above."
        return Outcome(exit_code=code or ExitCode.FAILED, reason=reason)
    return None


def back_off(crashes: int) -> float:
    """Seconds to wait before the next start: 0, 1, 2, 4 ... 60."""
    return 0.0 if crashes == 0 else min(BACK_OFF_LIMIT, 2.0 ** (crashes - 1))


def pause_between_looks(waited: float, *, cost: float, booting: int) -> float:
    """Seconds until a container that has booted for ``waited`` is looked at again.

    A look takes the kernel ``cost``, up to milliseconds, which the ``booting`` containers need more
    than we do: looking at all of them is to take a tenth of a processor.
    """
    if waited >= PATIENT_AFTER:
        return PATIENT_INTERVAL
    return min(PATIENT_INTERVAL, max(LOOK_INTERVAL, 10 * cost * booting))
