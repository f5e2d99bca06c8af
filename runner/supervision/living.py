"""How containers are looked at: until they are up, and whether they still live and are ready."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from buildpack.support.values import changed
from runner import container_lines
from runner.health import Check
from runner.state.rollouts import Failure
from runner.supervision.keeping import Keeping
from runner.supervision.live import Asked, Kind, Live
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
        if live.probe is not None:
            self._tell_warnings(live, live.probe)
        self._close_probe(live)

    def _tell_warnings(self, live: Live, probe: HealthProbe) -> None:
        for warning in probe.warnings:
            self.log.system(live.name, f"Health check (a warning only): {warning}")

    def _begin_asking(self, live: Live) -> None:
        """Ask from now on whether it still is what it was when it came up.

        What its release said stays true of it while another one is brought up.
        """
        said = self.up_checks(live.record.process_type, live.record.version)
        if said is None:
            return
        kinds = ((Kind.LIVENESS, said.liveness), (Kind.READINESS, said.readiness))
        now = self.clock()
        live.asked = [
            Asked(kind=kind, checks=checks, probe=self._probe(live, None, checks), due=now)
            for kind, checks in kinds
            if checks
        ]
        live.due = min((each.due for each in live.asked), default=None)

    def _look_at_life(self, live: Live, now: float) -> None:
        live.due = None
        if live.failure is not None:
            live.container.kill()
            return
        for asked in live.asked or ():
            if asked.due <= now:
                self._look_at_answer(live, asked, now)
            if not live.asked:
                return  # it is being stopped
        live.due = min((each.due for each in live.asked or ()), default=None)

    def _look_at_answer(self, live: Live, asked: Asked, now: float) -> None:
        probe, before = asked.probe, asked.probe.objection
        if probe.is_healthy(now):
            self._tell_warnings(live, probe)
            if asked.kind is Kind.READINESS and not live.record.is_ready:
                self._set_ready(live, "passed: it gets requests again", is_ready=True)
            self._ask_again(live, asked)
        elif not probe.is_given_up:
            if probe.objection != before and not probe.answer.was_asked:
                self.log.system(live.name, f"{asked.kind} check: it {probe.objection}")
            asked.due = max(now + OPEN_INTERVAL, probe.not_before)
        elif asked.kind is Kind.LIVENESS:
            self._end_what_is_not_alive(live, probe.objection, now)
        else:
            if live.record.is_ready:
                text = f"failed: it {probe.objection}. It gets no requests until it passes"
                self._set_ready(live, text, is_ready=False)
            self._ask_again(live, asked)

    def _ask_again(self, live: Live, asked: Asked) -> None:
        asked.probe.close()
        again = tuple(changed(each, initial_delay=0.0) for each in asked.checks)
        asked.probe = self._probe(live, None, again)
        asked.due = self.clock() + max([LEAST_PAUSE, *(each.wait for each in again)])

    def _set_ready(self, live: Live, text: str, *, is_ready: bool) -> None:
        """Also of the last one: who answers nothing good is better told that nobody answers."""
        self._update(live, is_ready=is_ready)
        self.serve()
        self.log.system(live.name, f"{Kind.READINESS} check {text}")

    def _end_what_is_not_alive(self, live: Live, objection: str, now: float) -> None:
        """As if it had crashed: another one takes its place, after longer and longer pauses."""
        self.log.system(live.name, f"{Kind.LIVENESS} check failed: it {objection}")
        self.tell({"event": "unhealthy", "name": live.name, "text": objection})
        live.failure = Failure(name=live.name, text=f"was not alive any more: it {objection}")
        self._ask_no_more(live)
        self.serve()
        self.log.system(live.name, container_lines.STOPPING)
        live.due = now + self.settings.stop_timeout
        live.container.terminate()
