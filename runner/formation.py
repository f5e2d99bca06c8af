"""Formation: how many containers of each process type, and what each of them is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slugc.procfile import ProcessType


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container to start. ``argv`` is complete: it sources profiles and runs the command.

    ``env`` is the whole environment of the process (config vars, HOME=/app, DYNO, PORT ...).
    """

    process_type: ProcessType
    ordinal: int
    command: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int | None

    @property
    def name(self) -> str:
        return f"{self.process_type}.{self.ordinal}"
