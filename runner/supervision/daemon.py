"""The supervisor's process: takes over what runs, listens, and keeps all as it is wanted.

    python -m runner.supervision.daemon APP --keeper FD [NAME=FD]...

Started by the keeper. Exits with 0 when the app is not to be kept running any more and everything
has ended; with anything else it is started again.
"""

from __future__ import annotations

import gc
import os
import selectors
import socket
import sys
import time
from collections.abc import Mapping, Sequence

from buildpack.support.errors import SlugkitError
from runner.engines.embedded.lasting.engine import LastingEngine
from runner.logbook.app_log import AppLog
from runner.logbook.draining import Draining
from runner.metrics.gauges import Gauges
from runner.schedule.scheduling import Scheduling
from runner.schedule.words import SCHEDULER
from runner.selecting import attend_ready
from runner.signals import StopSignals
from runner.supervision.answering import Answering
from runner.supervision.app_front import AppFront
from runner.supervision.command_question import asking_inside
from runner.supervision.control import Control
from runner.supervision.duties import Duties, Duty
from runner.supervision.fd_store import (
    KeptFds,
    inherited,
    ready_for_signals,
    supervisor_argv,
)
from runner.supervision.known import Known
from runner.supervision.live import Event
from runner.supervision.network import NetworkWatch
from runner.supervision.pursuit import Pursuit
from runner.supervision.records import Records
from runner.supervision.rollout import RolloutWatch
from runner.supervision.router_log import ROUTER, RouterLog
from runner.supervision.start import bound_errors
from runner.supervision.supply import Supply
from runner.supervision.upkeep import Upkeep
from slugc.privileges import data_dir, data_path

LOOK_EVERY = 10.0  # seconds between looks at whether state.db was changed without our being told
LOG_EVERY = 1.0  # seconds between tries to write what a full disk refused, to log or records

LOST = "Process ended when slug-run was killed or the machine restarted; nobody knows its status"


class Daemon:
    """One app's supervisor."""

    def __init__(self, number: int, *, env: Mapping[str, str], fds: KeptFds) -> None:
        self._number, self._env = number, env
        self._home = data_dir(env)
        self._app_dir = self._home / "apps" / str(number)
        self._dir = self._app_dir / "supervisor"
        self._fds = fds
        self._selector = selectors.DefaultSelector()
        self._router_log = RouterLog(lambda: self._upkeep, selector=self._selector)
        self._log = AppLog(  # runner/logbook/place.py
            self._app_dir / "log", translators={ROUTER: self._router_log.translator}
        )
        self._router_log.write_to(self._log)
        self._draining = Draining(self._app_dir, env)
        self._supply = Supply(self._home, self._fds)
        self._known = Known(self._home, number, supply=self._supply, say=self._say)
        self._rollout = RolloutWatch(
            self._home,
            upkeep=lambda: self._upkeep,
            log=self._log,
            log_dir=self._app_dir / "log",
            tell=self._tell,
            reread=lambda: self._pursuit.read_anew(),  # noqa: PLW0108  # it is made later
        )

    def run(self) -> None:
        """Until nothing is wanted any more and nothing runs."""
        with StopSignals() as signals:
            signals.hold()
            ready_for_signals()
            self._signals = signals
            self._take_over()
            while not self._is_over():
                self._attend_one_round()
        self._end()

    def _take_over(self) -> None:
        """Go on with what our predecessor left, or begin."""
        self._engine = LastingEngine(self._env, fds=self._fds, notify=self._say)
        lost: tuple[str, ...] = ()
        if not self._engine.go_on(self._dir):
            lost = self._engine.lost(self._dir)
            self._engine.begin(self._dir)
        self._front = AppFront(
            env=self._env,
            fds=self._fds,
            engine=self._engine,
            log=self._router_log,
            selector=self._selector,
            say=lambda line: self._log.system(ROUTER, line),
        )
        self._upkeep = self._make_upkeep()
        self._duties = Duties(self._make_duties())
        self._pursuit = Pursuit(
            self._known,
            self._app_dir,
            upkeep=self._upkeep,
            front=self._front,
            rollout=self._rollout,
            duties=self._duties,
            say=self._say,
        )
        keys = set(self._log.recover())
        for name in lost:
            self._log.system(name, LOST)
        self._selector.register(self._signals, selectors.EVENT_READ, self._signals.drain)
        self._selector.register(self._fds.keeper, selectors.EVENT_READ, self._attend_keeper)
        self._network = NetworkWatch(
            self._engine,
            self._dir,
            selector=self._selector,
            ended=self._end_all,
            emptied=self._front.end,
            mended=self._start_all,
        )
        answering = Answering(
            self._upkeep,
            look=self._look,
            want_anew=self._pursuit.read_anew,
            stop_all=self._pursuit.stop_all,
            request_rows=self._request_rows,
        )
        self._control = Control(self._dir, selector=self._selector, handle=answering.handle)
        self._pursuit.read()
        self._upkeep.adopt()
        self._pursuit.want()
        known = {live.container.id for live in self._upkeep.lives.values()}
        for key in keys - known - self._router_log.keys:
            self._log.close_container(key)
        gc.collect()
        gc.freeze()  # what is there now stays

    def _make_upkeep(self) -> Upkeep:
        return Upkeep(
            engine=self._engine,
            log=self._log,
            fds=self._fds,
            records=Records(self._engine.records_dir),
            selector=self._selector,
            material=self._known.material,
            tell=self._tell,
            blame=self._rollout.blame,
            app_checks=lambda name: self._known.manifest.checks.get(name, ()),
            up_checks=self._known.up_checks,
            ask_inside=asking_inside(self._number, self._env),
        )

    def _make_duties(self) -> Sequence[Duty]:
        """Beside keeping containers."""
        return (
            self._rollout,
            self._draining,
            self._router_log,
            Scheduling(
                self._home,
                self._number,
                self._env,
                say=lambda text: self._log.system(SCHEDULER, text),
                is_open=lambda: not self._pursuit.is_stopping,
            ),
            Gauges(
                self._upkeep.lives.values,
                self._log.system,
                has_metrics=lambda: self._upkeep.settings.metrics,
            ),
        )

    def _say(self, text: str) -> None:
        self._log.system("supervisor", text)

    def _tell(self, event: Event) -> None:
        self._control.tell(event)

    def _is_over(self) -> bool:
        return self._pursuit.is_given_up and not self._upkeep.lives

    def _attend_one_round(self) -> None:
        attend_ready(self._selector, self._patience())
        if self._signals.first is not None and not self._pursuit.is_stopping:
            self._pursuit.stop_all()
        now = time.monotonic()
        self._duties.attend(now)  # first: a release that has failed is not tried once more
        due = self._upkeep.due()
        if due is not None and due <= now:
            self._upkeep.attend_dues()
        if now - self._pursuit.looked >= LOOK_EVERY:
            self._look()
        self._log.settle()
        self._upkeep.records.settle()
        if not self._upkeep.lives:
            self._network.mend()
        if self._control.is_awaited and not self._rollout.is_open and self._upkeep.is_settled():
            self._settle()

    def _patience(self) -> float:
        now = time.monotonic()
        longest = self._pursuit.looked + LOOK_EVERY
        if not (self._log.settle() and self._upkeep.records.settle()):
            longest = min(longest, now + LOG_EVERY)
        dues = (self._upkeep.due(), self._duties.due())
        return max(0.0, min([longest, *(due for due in dues if due is not None)]) - now)

    def _look(self) -> None:
        """What nobody tells us of: that somebody was killed before, or that a disk has room."""
        self._engine.empty_trash()
        containers = [live.container for live in self._upkeep.lives.values()]
        if said := self._engine.bring_back_host_ports(containers):
            self._say(said)
        self._pursuit.look()

    def _request_rows(self) -> object:
        wanted = self._known.wanted
        is_counted = wanted is not None and wanted.settings.router_log
        return self._router_log.rows() if is_counted else None

    def _settle(self) -> None:
        self._control.finish_waiting(
            {
                "event": "settled",
                "ok": self._upkeep.is_as_wanted(),
                "containers": self._upkeep.snapshot(),
            }
        )
        wanted, lives = self._known.wanted, self._upkeep.lives.values()
        if wanted is not None and wanted.release is not None:
            version = wanted.release.version
            if all(live.record.version == version for live in lives):
                self._supply.let_go_except(wanted.release.slug, self._fds.names)

    # What else may happen

    def _attend_keeper(self) -> None:
        """The keeper says nothing unasked: readable means that it is gone."""
        self._fds.is_kept = False
        self._log.close()
        self._fds.become_keeper(supervisor_argv(self._number), self._env)

    def _end_all(self) -> None:
        self._say("The app's network has ended; its containers start again")
        self._upkeep.want(None)
        for live in self._upkeep.lives.values():
            live.container.kill()

    def _start_all(self) -> None:
        self._upkeep.keep_records(Records(self._engine.records_dir))
        self._pursuit.set_up_front()
        self._pursuit.want()

    def _end(self) -> None:
        """Everything has ended: leave nothing behind."""
        self._control.finish_waiting({"event": "settled", "ok": True, "containers": []})
        self._control.close()
        self._front.end()
        self._engine.end(self._dir)
        self._duties.close()
        self._log.close()


def main(argv: Sequence[str]) -> int:
    number, _, keeper, *words = argv
    if not (data_path(os.environ) / "apps" / number).is_dir():
        return 0  # as ``_look`` has it, where that was seen in time
    bound_errors(sys.stderr.fileno())
    os.umask(0o022)  # as runner/main.py: a service manager may have started us
    gc.set_threshold(50_000)
    os.set_inheritable(int(keeper), False)
    fds = KeptFds(socket.socket(fileno=int(keeper)), inherited(words))
    try:
        Daemon(int(number), env=dict(os.environ), fds=fds).run()
    except SlugkitError as error:
        sys.stderr.write(f"\n{error.brief}\n{error.details}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
