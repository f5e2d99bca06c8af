"""What is wanted: read whenever it may have changed, and brought to those who make it so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from runner.state.errors import StateTooNewError
from runner.supervision.app_front import AppFront
from runner.supervision.duties import Duties
from runner.supervision.known import Known
from runner.supervision.rollout import RolloutWatch
from runner.supervision.upkeep import Upkeep


class Pursuit:
    """Has an app's containers, and what stands before them, go by what is known to be wanted."""

    def __init__(  # noqa: PLR0913  # what is wanted, who makes it so, who is told
        self,
        known: Known,
        app_dir: Path,
        *,
        upkeep: Upkeep,
        front: AppFront,
        rollout: RolloutWatch,
        duties: Duties,
        say: Callable[[str], None],
    ) -> None:
        self._known, self._app_dir = known, app_dir
        self._upkeep, self._front = upkeep, front
        self._rollout, self._duties = rollout, duties
        self._say = say
        self.is_stopping = False
        self.looked = 0.0
        """when state.db was looked at last, in monotonic seconds"""

    @property
    def is_given_up(self) -> bool:
        """Whether nothing is wanted any more."""
        return self._known.is_unwanted or self.is_stopping

    def look(self) -> None:
        """Whoever changed state.db may have been killed before we were told."""
        self._note_look()
        if not self._app_dir.is_dir():
            # Destroyed, or somebody has deleted the whole data directory under it.
            self._known.app_is_gone()
            self.want()
        elif self._known.has_changed():
            self.read_anew()
        else:
            self._front.look()

    def read_anew(self) -> None:
        """Read it, and have all go by it."""
        self.read()
        self.want()

    def read(self) -> None:
        """Read it, and have the front and the rollout go by it."""
        self._note_look()
        try:
            self._known.read()
            self._rollout.follow(self._known.wanted)
            self.set_up_front()
        except SlugkitError as err:
            # What runs goes on; ``look`` tries again when something has changed.
            self._known.doubt()
            self._say(f"{err.brief}. Nothing was changed.")
            if self._known.is_certain and isinstance(err, StateTooNewError):
                # Slugkit was upgraded under us: the keeper starts what is installed now.
                raise SystemExit(int(ExitCode.TRY_AGAIN)) from err

    def want(self) -> None:
        """Have the upkeep go by what was read last."""
        if self._known.is_certain or self.is_stopping:
            self._upkeep.want(None if self.is_stopping else self._known.wanted)
        else:
            self._upkeep.keep_as_it_is()

    def stop_all(self) -> None:
        """End everything, whatever state.db says: a signal, or somebody who cannot write there."""
        self.is_stopping = True
        self._upkeep.want(None)

    def set_up_front(self) -> None:
        """Have the load balancer listen where it is to; with none, web is replaced otherwise."""
        wanted = self._known.wanted
        if wanted is None:
            return
        try:
            self._front.listen(wanted.settings)
        finally:
            self._upkeep.front = self._front.router
        self._upkeep.strategies = self._known.strategies(has_front=self._front.router is not None)

    def _note_look(self) -> None:
        self.looked = time.monotonic()
        self._duties.look()
