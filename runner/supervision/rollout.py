"""Judges the release that is being brought up: it is up, or the one before it goes on.

The verdict stands in state.db before anything else follows from it, so that whoever comes after
us, after a kill or a reboot, is of the same opinion.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from buildpack.support.errors import SlugkitError
from buildpack.support.values import changed
from runner.logbook.batches import Batch, Source
from runner.logbook.reader import LogReader
from runner.state.rollouts import Failure, Rollout, RolloutState
from runner.state.state import opened_state
from runner.supervision.live import Event, Log
from runner.supervision.upkeep import Upkeep
from runner.supervision.wanted import Wanted

API = "api"
LAST_LINES = 20
AGAIN_AFTER = 1.0  # seconds, when the verdict could not be written


class RolloutWatch:
    """A ``Duty``: what becomes of the rollout under way."""

    def __init__(
        self,
        home: Path,
        *,
        upkeep: Callable[[], Upkeep],
        log: Log,
        log_dir: Path,
        tell: Callable[[Event], None],
        reread: Callable[[], None],
    ) -> None:
        self._home, self._upkeep = home, upkeep
        self._log, self._log_dir, self._tell, self._reread = log, log_dir, tell, reread
        self._wanted: Wanted | None = None
        self._failure: Failure | None = None
        self._not_before = 0.0

    @property
    def _rollout(self) -> Rollout | None:
        if self._wanted is None or not self._upkeep().is_rolling_out:
            return None
        return self._wanted.rollout

    @property
    def is_open(self) -> bool:
        return self._rollout is not None

    def follow(self, wanted: Wanted | None) -> None:
        """That is what is wanted now."""
        before, self._wanted = self._wanted, wanted
        if _version(before) != _version(wanted):
            self._failure = None

    def blame(self, version: int, failure: Failure, key: str) -> None:
        """A container of that release failed; the first one decides."""
        rollout = self._rollout
        if rollout is not None and rollout.version == version and self._failure is None:
            self._failure = changed(failure, last=self._last_lines(key) if key else ())

    def due(self) -> float | None:
        if self._rollout is None:
            return None
        if self._failure is not None:
            return self._not_before
        steady_at = self._upkeep().steady_at()
        return None if steady_at is None else max(steady_at, self._not_before)

    def attend(self) -> None:
        rollout, wanted = self._rollout, self._wanted
        assert rollout is not None
        assert wanted is not None
        try:
            with opened_state(self._home) as state:
                rollouts = RolloutState(state, wanted.app)
                if self._failure is None:
                    rollouts.succeed(rollout.version)
                else:
                    rollouts.fail(rollout.version, self._failure)
        except SlugkitError as err:
            if not self._not_before:
                self._log.system("supervisor", f"{err.brief}. It is tried again.")
            self._not_before = time.monotonic() + AGAIN_AFTER
            return
        self._not_before = 0.0
        self._say(rollout)
        self._reread()

    def look(self) -> None:
        """Nothing: ``follow`` is called when something else is wanted."""

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, rollout: Rollout) -> None:
        label = f"v{rollout.version}"
        if self._failure is None:
            self._log.system(API, f"Release {label} is up")
            return
        said = " ".join(filter(None, (self._failure.name, self._failure.text)))
        self._log.system(API, f"Release {label} did not come up: {said}")
        self._tell({"event": "rollout-failed", "name": label, "text": said})

    def _last_lines(self, key: str) -> tuple[str, ...]:
        def is_its_own(batch: Batch) -> bool:
            return batch.source == Source.APP and f"~{key}~" in batch.tag

        reader = LogReader(self._log_dir, is_its_own)
        try:
            reader.start_at_last(LAST_LINES)
            return tuple(line.text for line in reader.lines())[-LAST_LINES:]
        finally:
            reader.close()


def _version(wanted: Wanted | None) -> int | None:
    return None if wanted is None or wanted.rollout is None else wanted.rollout.version
