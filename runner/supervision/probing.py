"""Whether a container is healthy yet: its port, then its checks in turn. Never waits."""

from __future__ import annotations

from collections.abc import Callable

from runner.engines.base import Address, RunningContainer
from runner.health import Check
from runner.readiness import ReadinessProbe
from runner.supervision.questions import Answer, HttpQuestion, Question

AGAIN_AFTER = 1.0  # seconds, when something could not be asked


class HealthProbe:
    """Looks at one container each time ``is_healthy`` is called."""

    def __init__(  # who is asked what, and how
        self,
        container: RunningContainer,
        port: int | None,
        checks: tuple[Check, ...],
        began: float,
        ask_inside: Callable[[Check, float], Question],
    ) -> None:
        self._container, self._began, self._ask_inside = container, began, ask_inside
        self._port = None if port is None else ReadinessProbe(container, port)
        self._listens = port is None
        self._checks = list(checks)
        self._question: Question | None = None
        self._tried = 0
        self.not_before = began + (checks[0].initial_delay if checks else 0.0)
        """when something is asked next"""
        self.answer = Answer()
        """the last one"""
        self.objection = ""
        """to the last one"""
        self.is_given_up = False
        """a check has had all its attempts"""
        self.warnings: list[str] = []

    @property
    def listens(self) -> bool:
        """Whether its port was bound, if it has one."""
        return self._listens

    def is_healthy(self, now: float) -> bool:
        if not self._listens:
            assert self._port is not None
            self._listens = self._port.is_ready(now)
        while self._listens and self._checks and now >= self.not_before:
            if not self._passes(self._checks[0], now):
                break
            self._next(now)
        return self._listens and not self._checks

    def found_instead(self) -> tuple[Address, ...]:
        return () if self._port is None else self._port.found_instead()

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
        self._close_question()

    def _passes(self, check: Check, now: float) -> bool:
        if now - self._began < check.uptime:
            return False
        if self._question is None:
            self._question = self._asked(check, now)
        if self._question is None:
            return not check.path
        answer = self._question.answer(now)
        if answer is None:
            return False
        self._close_question()
        self.answer, self.objection = answer, answer.objection(check)
        return not self.objection or self._is_forgiven(check, now)

    def _asked(self, check: Check, now: float) -> Question | None:
        """None where there is nothing to ask, or nobody yet."""
        if check.command:
            return self._ask_inside(check, now)
        address = self._container.address
        return HttpQuestion(address, check, now) if check.path and address is not None else None

    def _is_forgiven(self, check: Check, now: float) -> bool:
        """Note one more answer that was not healthy."""
        if not self.answer.was_asked:
            self.not_before = now + max(AGAIN_AFTER, check.wait)
            return False
        self._tried += 1
        self.not_before = now + check.wait
        if check.attempts is not None and self._tried >= check.attempts:
            if check.is_warning:
                self.warnings.append(self.objection)
                return True
            self.is_given_up = True
        return False

    def _next(self, now: float) -> None:
        self._checks.pop(0)
        self._tried = 0
        self.not_before = now + (self._checks[0].initial_delay if self._checks else 0.0)

    def _close_question(self) -> None:
        if self._question is not None:
            self._question.close()
            self._question = None
