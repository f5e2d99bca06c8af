"""Runs a buildpack's programs in a sandbox and reads what they print.

They are called as programs, our own buildpack's like anybody's:
https://devcenter.heroku.com/articles/buildpack-api
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from buildpack.support.command import (
    CommandFailedError,
    CommandOutputError,
    CommandTimeoutError,
)
from buildpack.support.values import changed, value
from slugc.build_space import BUILD, CACHE, FINISHED, PREVIOUS, BuildSpace
from slugc.buildpacks.errors import (
    NotDetectedError,
    PhaseFailedError,
    PhaseTimeoutError,
)
from slugc.buildpacks.release import BuildpackRelease, parse_release, parse_report
from slugc.plain_text import plain_text
from slugc.sandbox.base import Sandbox, SandboxCommand
from slugc.sandbox.hints import network_hint
from slugc.sandbox.limits import LimitReachedError

QUICK_LIMIT = 60.0  # seconds, of bin/release and bin/report, which only print
NOT_MINE = frozenset({1, 100})  # 1 in the classic API, 100 in the Cloud Native one
MAX_NAME = 100  # characters of what bin/detect calls an app
MAX_PRINTED = 64 * 1024  # characters looked at for it

# Two offers to every buildpack, see docs/slugc.md: the last build's tree, to move parts out of, and
# a directory to say in which layers are as they will stay.
PREVIOUS_BUILD_DIR = "PREVIOUS_BUILD_DIR"
FINISHED_LAYERS_DIR = "FINISHED_LAYERS_DIR"

# Heroku's rule: what a buildpack leaves in a file named export is sourced before the next one.
_AFTER_EXPORTS = 'until [ "$1" = -- ]; do . "$1"; shift; done; shift; exec "$@"'


_ANSWERLESS = (CommandFailedError, CommandOutputError, CommandTimeoutError, LimitReachedError)


@value
class Phases:
    """One buildpack in one build. ``position`` counts the buildpacks from 0; what those in
    ``earlier`` left for the ones after them is sourced before its programs."""

    sandbox: Sandbox
    space: BuildSpace
    env: Mapping[str, str]
    position: int
    label: str
    deadline: float
    """on the monotonic clock"""
    limit: float
    """of the whole build, in seconds, for the message"""
    detect_limit: float
    earlier: tuple[int, ...] = ()

    def detect(self, on_line: Callable[[str], None]) -> str:
        """The name the buildpack gives the app. Raises NotDetectedError with its reasons."""
        said: list[str] = []
        command = self._command("detect", self._inside(BUILD), limit=self.detect_limit)
        try:
            name = self.sandbox.capture(command, said.append)
        except CommandFailedError as err:
            if err.code in NOT_MINE:
                raise NotDetectedError(self.label, said or err.last_lines) from err
            raise self._failed("detect", err) from err
        except CommandTimeoutError as err:
            raise PhaseTimeoutError("detect", self.label, command.timeout or 0) from err
        for line in said:
            on_line(line)
        return _first_line(name) or self.label

    def compile(self, on_line: Callable[[str], None]) -> None:
        """Build the app in place, showing every line."""
        places = (self._inside(BUILD), self._inside(CACHE), self._inside("env"))
        env = {
            **self.env,
            PREVIOUS_BUILD_DIR: str(self._inside(PREVIOUS)),
            FINISHED_LAYERS_DIR: str(self._inside(FINISHED)),
        }
        command = changed(self._command("compile", *places), env=env)
        try:
            self.sandbox.stream(command, on_line)
        except CommandFailedError as err:
            raise self._failed("compile", err) from err
        except CommandTimeoutError as err:
            raise PhaseTimeoutError("compile", self.label, self.limit) from err

    def release(self, on_line: Callable[[str], None]) -> BuildpackRelease:
        """The defaults the buildpack gives; none when it has no bin/release."""
        if not self._has("release"):
            return BuildpackRelease()
        command = self._command("release", self._inside(BUILD), limit=QUICK_LIMIT)
        try:
            printed = self.sandbox.capture(command, on_line)
        except CommandFailedError as err:
            raise self._failed("release", err) from err
        except CommandTimeoutError as err:
            raise PhaseTimeoutError("release", self.label, command.timeout or 0) from err
        found = parse_release(printed, self.label)
        if found.addons:
            names = ", ".join(found.addons)
            on_line(f"       bin/release asks for add-ons, which nobody provides here: {names}")
        return found

    def report(self) -> Mapping[str, object]:
        """The build data of bin/report; empty when there is none. Never fails a build."""
        if not self._has("report"):
            return {}
        places = (self._inside(BUILD), self._inside(CACHE), self._inside("env"))
        try:
            printed = self.sandbox.capture(
                self._command("report", *places, limit=QUICK_LIMIT), lambda _line: None
            )
        except _ANSWERLESS:
            return {}  # it is for statistics: one that fails is none of the app's business
        return parse_report(printed)

    def _failed(self, phase: str, err: CommandFailedError) -> PhaseFailedError:
        hint = network_hint(self.sandbox, err.last_lines)
        return PhaseFailedError(phase, self.label, err.code, err.last_lines, hint=hint)

    def _has(self, program: str) -> bool:
        try:
            return (self._host_root / "bin" / program).is_file()
        except PermissionError:
            return True  # a build closed its /tmp: starting the program says so

    @property
    def _host_root(self) -> Path:
        return self.space.buildpacks_dir / str(self.position)

    def _inside(self, *parts: str) -> PurePosixPath:
        return self.sandbox.work_dir.joinpath(*parts)

    def _command(
        self, phase: str, *places: PurePosixPath, limit: float | None = None
    ) -> SandboxCommand:
        program = self._inside("buildpacks", str(self.position), "bin", phase)
        argv = (str(program), *map(str, places))
        left = max(self.deadline - time.monotonic(), 0.001)
        return SandboxCommand(
            argv=self._after_exports(argv),
            cwd=self._inside(BUILD),
            env=self.env,
            timeout=min(left, limit) if limit else left,
            title=f"bin/{phase}",
        )

    def _after_exports(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        exports = [
            str(self._inside("buildpacks", str(earlier), "export"))
            for earlier in self.earlier
            if (self.space.buildpacks_dir / str(earlier) / "export").is_file()
        ]
        return ("bash", "-c", _AFTER_EXPORTS, "slugc", *exports, "--", *argv) if exports else argv


def _first_line(printed: str) -> str:
    """What bin/detect calls the app: its first line with anything in it, bounded and harmless."""
    lines = (plain_text(line).strip() for line in printed[:MAX_PRINTED].splitlines())
    return next((line[:MAX_NAME] for line in lines if line), "")
