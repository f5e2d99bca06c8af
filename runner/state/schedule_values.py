"""Scheduled tasks as they are kept: how far they were reckoned, and what became of each time."""

from __future__ import annotations

from enum import StrEnum

from buildpack.support.values import value


class RunState(StrEnum):
    """What became of one time of a task."""

    DUE = "due"
    """noted, and about to be started"""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    STOPPED = "stopped"
    LOST = "lost"
    """whoever stayed with it was killed"""
    MISSED = "missed"
    SKIPPED = "skipped"
    """the one before still ran"""


OPEN = (RunState.DUE, RunState.RUNNING)


@value
class Mark:
    """How far a task was reckoned: times up to there were started, or noted as missed."""

    is_paused: bool = False
    reckoned: int | None = None
    """seconds since 1970; None: from now on"""
    rhythm: str = ""
    """what it was reckoned by; with another one it begins anew"""


@value
class Run:
    """A row: one time of a task, or several that were missed one after the other."""

    number: int
    task: str
    due: int | None
    """None: somebody asked for it"""
    state: RunState
    count: int
    version: int | None
    started: float | None
    ended: float | None
    code: int | None
    detail: str
    who: str


@value
class Reckoned:
    """What a look at the clock came to: the mark to set, what was missed, what is to be run."""

    mark: Mark
    missed: int = 0
    last_missed: int | None = None
    run: int | None = None
