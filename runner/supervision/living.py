"""How containers are looked at: until they are up, and whether they still live."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from buildpack.support.values import changed
from runner import container_lines
from runner.health import Check
from runner.state.rollouts import Failure
from runner.supervision.keeping import Keeping
from runner.supervision.live import Live
from runner.supervision.probing import HealthProbe

OPEN_INTERVAL = 0.1  # seconds between looks at a question that is open
LEAST_PAUSE = 1.0  # seconds between questions, whatever app.json says


@dataclass(slots=True)
class Living(Keeping):
    """Asks containers."""

    def _probe(self, live: Live, port: int | None, checks: tuple[Check, ...]) -> HealthProbe:
        ask = partial(self.ask_inside, live.record.key)
        return HealthProbe(live.container, port, checks, live.record.began, ask)

    def _end_probe(self, live: Live) -> None:
        """It has passed."""
        for warning in () if live.probe is None else live.probe.warnings:
            self.log.system(live.name, f"Health check (a warning only): {warning}")
        self._close_probe(live)

    def _begin_liveness(self, live: Live) -> None:
        """Ask from now on whether it still is what it was when it came up.

        What its release said stays true of it while another one is brought up.
        """
        live.liveness = self.liveness(live.record.process_type, live.record.version)
        self._ask_in(0.0, live, live.liveness or ())

    def _ask_in(self, pause: float, live: Live, checks: tuple[Check, ...]) -> None:
        live.due = None
        if checks:
            live.probe, live.due = self._probe(live, None, checks), self.clock() + pause

    def _look_at_life(self, live: Live, now: float) -> None:
        probe = live.probe
        before = "" if probe is None else probe.objection
        if live.failure is not None:
            live.due = None
            live.container.kill()
        elif probe is None:
            live.due = None
        elif probe.is_healthy(now):
            self._end_probe(live)
            checks = live.liveness or ()
            again = tuple(changed(each, initial_delay=0.0) for each in checks)
            self._ask_in(max([LEAST_PAUSE, *(each.wait for each in checks)]), live, again)
        elif probe.is_given_up:
            self._end_what_is_not_alive(live, probe.objection, now)
        else:
            if probe.objection != before and not probe.answer.was_asked:
                self.log.system(live.name, f"Liveness check: it {probe.objection}")
            live.due = max(now + OPEN_INTERVAL, probe.not_before)

    def _end_what_is_not_alive(self, live: Live, objection: str, now: float) -> None:
        """As if it had crashed: another one takes its place, after longer and longer pauses."""
        self.log.system(live.name, f"Liveness check failed: it {objection}")
        self.tell({"event": "unhealthy", "name": live.name, "text": objection})
        live.failure = Failure(name=live.name, text=f"was not alive any more: it {objection}")
        self._close_probe(live)
        self.serve()
        self.log.system(live.name, container_lines.STOPPING)
        live.due = now + self.settings.stop_timeout
        live.container.terminate()
