"""How the containers of a run end: told to, killed, or by themselves.

What a supervisor knows of its run is here as well; runner/supervisor.py decides and starts.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import TYPE_CHECKING

from runner import container_lines
from runner.engines.base import RunningContainer
from runner.policy import STEADY, Front, Outcome, Policy, back_off, outcome_of_crash
from runner.slot import ContainerState, Slot

if TYPE_CHECKING:
    from runner.logs import Log

LAST_WAIT = 10.0  # seconds a killed container may take to go; the kernel needs milliseconds


class Ending:
    """The part of the supervisor that ends containers, and takes note of it."""

    # Not a dataclass: importing what makes one takes five milliseconds of every start.
    def __init__(
        self,
        *,
        log: Log,
        policy: Policy,
        front: Front | None,
        on_change: Callable[[Slot], None],
        clock: Callable[[], float],
    ) -> None:
        self.log, self.policy, self.front = log, policy, front
        self.on_change, self.clock = on_change, clock
        self._slots: tuple[Slot, ...] = ()
        self._outcome: Outcome | None = None
        self._was_up = False
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()

    def _attend_exit(self, slot: Slot, container: RunningContainer) -> None:
        code = container.poll()
        if code is None:
            return
        slot.exit_code = code
        self._serve()  # first: until the load balancer knows, it takes requests there
        was_oom_killed = container.was_oom_killed()
        self._put_away(slot, container)
        if was_oom_killed:
            self.log.system(slot.name, container_lines.out_of_memory("--memory raises it"))
        self.log.system(slot.name, container_lines.exited(code))
        if slot.state is ContainerState.STOPPING:
            slot.due = None
            self._set(slot, ContainerState.DOWN)
        else:
            self._attend_crash(slot, code)

    def _put_away(self, slot: Slot, container: RunningContainer) -> None:
        """Take what is left of the output, then give everything back."""
        self._unregister(container.exit_fd)
        for line in slot.read_rest():
            self.log.app(slot.name, line)
        self._unregister(slot.reader)
        slot.close()

    def _attend_crash(self, slot: Slot, code: int) -> None:
        self._change(slot, ContainerState.CRASHED)
        outcome = outcome_of_crash(slot, code, self.policy, was_up=self._was_up)
        if outcome is not None:
            self._begin_stop(outcome)
        else:
            self._schedule_restart(slot, self.clock())

    def _schedule_restart(self, slot: Slot, now: float) -> None:
        if now - slot.started_at >= STEADY:
            slot.crashes = 0
        delay = back_off(slot.crashes)
        slot.crashes += 1
        slot.due = now + delay
        self._set(slot, ContainerState.CRASHED)
        if delay:
            self.log.system(slot.name, container_lines.restarting(delay))

    def _begin_stop(self, outcome: Outcome) -> None:
        if self._outcome is not None:
            return
        self._outcome = outcome
        if self.front is not None:
            self.front.stop()
        for slot in self._slots:
            self._stop(slot)

    def _stop(self, slot: Slot) -> None:
        if slot.state is ContainerState.STOPPING:
            return
        if slot.container is None:
            slot.due = None
            self._set(slot, ContainerState.DOWN)
            return
        self.log.system(slot.name, container_lines.STOPPING)
        slot.due = self.clock() + self.policy.stop_timeout
        self._set(slot, ContainerState.STOPPING)
        self._serve()  # first: it is to get no more requests
        slot.container.terminate()

    def _lose_patience(self, slot: Slot, now: float) -> None:
        assert slot.container is not None
        if slot.killed:
            self.log.system(slot.name, container_lines.UNKILLABLE)
            self._put_away(slot, slot.container)
            slot.due = None
            self._set(slot, ContainerState.DOWN)
            return
        self.log.system(slot.name, container_lines.exit_timeout(self.policy.stop_timeout))
        self._kill(slot, now)

    def _kill_all(self) -> None:
        for slot in self._slots:
            if slot.container is not None and not slot.killed:
                self._kill(slot, self.clock())

    def _kill(self, slot: Slot, now: float) -> None:
        assert slot.container is not None
        self.log.system(slot.name, container_lines.KILLING)
        slot.killed, slot.due = True, now + LAST_WAIT
        slot.container.kill()

    def _change(self, slot: Slot, state: ContainerState) -> None:
        before = ContainerState.STARTING if slot.state is ContainerState.DOWN else slot.state
        self._set(slot, state)
        self.log.system(slot.name, container_lines.state_changed(before, state))

    def _set(self, slot: Slot, state: ContainerState) -> None:
        if slot.state is not state:
            slot.state = state
            self.on_change(slot)

    def _serve(self) -> None:
        if self.front is not None and self._outcome is None:
            self.front.serve([where for slot in self._slots if (where := slot.serves)])

    def _unregister(self, descriptor: int) -> None:
        # The end of the output may have been seen, and unregistered, before.
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def _give_back(self) -> None:
        for slot in self._slots:
            slot.close()
        self._selector.close()
