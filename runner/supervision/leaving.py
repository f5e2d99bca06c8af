"""How containers end: taken out of the load balancer, drained, told to stop, killed; or by
themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildpack.support.errors import shown_seconds
from runner import container_lines
from runner.ending import LAST_WAIT
from runner.slot import ContainerState
from runner.state.rollouts import Failure
from runner.supervision.keeping import Keeping
from runner.supervision.live import Live

# Seconds until a request that the load balancer took just before it was told is at its container.
SETTLING = 0.5
DRAIN_INTERVAL = 0.1


@dataclass(slots=True)
class Leaving(Keeping):
    """Stops containers."""

    def _stop(self, live: Live, *, is_replaced: bool) -> None:
        before, follows = live.record.state, ContainerState.DOWN
        if is_replaced:
            follows = ContainerState.STARTING
        now = self.clock()
        # Only who was served has requests under way; without a load balancer nobody is drained.
        is_drained = live.is_up and live.server is not None and self.front is not None
        self._ask_no_more(live)
        self._update(
            live,
            state=ContainerState.STOPPING,
            since=self.wall(),
            drain_by=now + self.settings.drain_timeout if is_drained else None,
            stop_by=None if is_drained else now + self.settings.stop_timeout,
            follows=follows,
        )
        self.serve()
        if before is not follows:
            self.log.system(live.name, container_lines.state_changed(before, follows))
        self.tell({"event": "stopping", "name": live.name})
        if is_drained:
            live.due = now + SETTLING
        else:
            self._terminate(live)

    def _attend_stopping(self, live: Live, now: float) -> None:
        if live.record.drain_by is None:
            self._lose_patience(live, now)
            return
        is_late = now >= live.record.drain_by
        if count := live.container.connections():
            if not is_late:
                live.due = min(now + DRAIN_INTERVAL, live.record.drain_by)
                return
            self.log.system(
                live.name,
                f"Drain timeout -> {count} connection{'s' if count != 1 else ''} still open after"
                f" {shown_seconds(self.settings.drain_timeout)}",
            )
        self._terminate(live)

    def _terminate(self, live: Live) -> None:
        stop_by = self.clock() + self.settings.stop_timeout
        self._update(live, drain_by=None, stop_by=stop_by)
        self.log.system(live.name, container_lines.STOPPING)
        live.due = stop_by
        live.container.terminate()

    def _lose_patience(self, live: Live, now: float) -> None:
        if live.record.is_killed:
            self.log.system(live.name, container_lines.UNKILLABLE)
            self._put_away(live)
            return
        self.log.system(live.name, container_lines.exit_timeout(self.settings.stop_timeout))
        self._kill(live, now)

    def _kill(self, live: Live, now: float) -> None:
        self.log.system(live.name, container_lines.KILLING)
        live.due = now + LAST_WAIT
        self._update(live, is_killed=True, drain_by=None, stop_by=live.due)
        live.container.kill()

    def kill_all(self, chosen: Callable[[str], bool] = lambda _: True) -> None:
        """Wait for none of those ``chosen`` that are to end."""
        for live in self.lives.values():
            is_ending = live.record.state is ContainerState.STOPPING
            if is_ending and not live.record.is_killed and chosen(live.name):
                self._kill(live, self.clock())

    def _attend_exit(self, live: Live) -> None:
        code = live.container.poll()
        if code is None:
            return
        self.serve()  # first: until the load balancer knows, it takes requests there
        # One that the log tells of already did not end it, unless SIGKILL did.
        is_news = code == 137 or not live.told_kills
        was_oom_killed = is_news and live.container.was_oom_killed()
        self._put_away(live)
        if was_oom_killed:
            more = f"slug-run scale {live.record.process_type}=N:SIZE"
            self.log.system(
                live.name, container_lines.out_of_memory(f"a larger size raises it: {more}")
            )
        self.log.system(live.name, container_lines.exited(code))
        if live.record.state is ContainerState.STOPPING:
            self.tell({"event": "stopped", "name": live.name, "code": code})
        else:
            self._attend_crash(live, code, was_oom_killed=was_oom_killed)

    def _attend_crash(self, live: Live, code: int, *, was_oom_killed: bool) -> None:
        self.log.system(
            live.name, container_lines.state_changed(live.record.state, ContainerState.CRASHED)
        )
        self.tell({"event": "crashed", "name": live.name, "code": code})
        self._note_crash(live.name, live.record.version, began=live.record.began)
        failure = live.failure
        if failure is None:
            more = " (out of memory)" if was_oom_killed else ""
            failure = Failure(name=live.name, text=f"exited with status {code}{more}")
        self.blame(live.record.version, failure, live.container.id)
