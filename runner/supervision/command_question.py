"""A health check by command: what the container it runs in is asked. Never waits."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.command import Command, spawn
from buildpack.support.errors import ExitCode, SlugkitError
from runner.health import Check
from runner.supervision.questions import LONGEST_ANSWER, Answer, Question, last_line

NOT_ASKED = 125
"""with which the process that asks a command ends if it could not"""
_PATIENCE = 20.0  # seconds beyond its own for a command, until it has begun


class CommandQuestion:
    """A command inside the container, looked at again and again until it has ended.

    A process of slug-run runs it there (``runner/one_offs/check_process``): to join a container's
    walls takes time, and a container may hold up whoever comes in.
    """

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str], check: Check, now: float):
        self._give_up_at = now + check.timeout + _PATIENCE
        self._said = b""
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        words = (*argv, f"{check.timeout:g}", check.command)
        try:
            command = Command(argv=words, env=env, cwd=Path("/"))
            self._process = spawn(command, stdout=writer, stderr=writer)
        except BaseException:  # whatever it is, nobody else closes what was opened
            os.close(self._reader)
            raise
        finally:
            os.close(writer)

    def answer(self, now: float) -> Answer | None:
        """None while it runs."""
        code = self._process.poll()
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._reader, LONGEST_ANSWER):
                self._said = (self._said + chunk)[-LONGEST_ANSWER:]
        if code is None and now < self._give_up_at:
            return None
        said = self._said.decode("utf-8", "replace")
        if code is not None and (code == NOT_ASKED or code < 0):  # it was killed, not the command
            return Answer(problem=last_line(said) or "slug-run's process ended", was_asked=False)
        return Answer(code=int(ExitCode.TIME_LIMIT) if code is None else code, body=said)

    def close(self) -> None:
        """End it; with slug-run's process what it runs in there ends as well."""
        self._process.kill()
        self._process.wait()
        os.close(self._reader)


AskInside = Callable[[str, Check, float], Question]
"""Begins a check by command in the container with that key"""


def asking_inside(number: int, env: Mapping[str, str]) -> AskInside:
    """For the containers of the app with that number."""
    program = (sys.executable, "-m", "runner.one_offs.check_process", str(number))

    def ask(key: str, check: Check, now: float) -> Question:
        try:
            return CommandQuestion((*program, key), env, check, now)
        except (OSError, SlugkitError) as err:
            return Unasked(str(err))

    return ask


class Unasked:
    """What could not even be asked."""

    def __init__(self, why: str) -> None:
        self._why = why

    def answer(self, now: float) -> Answer | None:  # as every question
        return Answer(problem=self._why, was_asked=False)

    def close(self) -> None:
        """Nothing is open."""
