"""What can go wrong with a buildpack, naming the phase, the buildpack and its own last words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from slugc.plain_text import plain_text

# What Heroku's buildpacks, and ours, put before each line of an error.
_MARK = re.compile(r"^ !(     (Error: )?|$)")


def unmarked(lines: Sequence[str]) -> tuple[str, ...]:
    """A buildpack's own error block as it may stand inside one of ours: without its marks, and
    without what would colour or move on a terminal."""
    bare = [_MARK.sub("", plain_text(line)) for line in lines]
    while bare and not bare[0].strip():
        del bare[0]
    while bare and not bare[-1].strip():
        del bare[-1]
    return tuple(bare)


class BuildpackSpecError(SlugkitError):
    """``-b`` names nothing we can fetch."""

    exit_code = ExitCode.NO_INPUT
    id = "buildpack-missing"

    def __init__(self, spec: str) -> None:
        self.spec = spec
        super().__init__(
            f"There is no buildpack at {printable_path(spec)}",
            resolution="Give a directory, a git URL#ref, a tarball or the name of one that is\n"
            "installed or published, for example:\n\n"
            "    slugc build -b https://host/owner/buildpack#v1.2\n"
            "    slugc build -b heroku/python",
        )


class BuildpackRefusedError(SlugkitError):
    """A place that is never gone to, whoever asks."""

    exit_code = ExitCode.DATA
    id = "buildpack-refused"

    def __init__(self, spec: str, found: str) -> None:
        self.spec, self.found = spec, found
        super().__init__(
            f"'{printable(spec, limit=200)}' is no buildpack we use",
            details=found,
            resolution="Give a directory, a git URL#ref, a tarball or a name like heroku/python.",
        )


class BuildpackGoneError(SlugkitError):
    """An installed buildpack whose copy somebody deleted."""

    exit_code = ExitCode.NO_INPUT
    id = "buildpack-gone"

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source
        super().__init__(
            f"The installed buildpack {printable(name)} is no longer there",
            details="Its copy in the data directory was deleted.",
            resolution=f"Install it again: slugc buildpacks add {printable(source)} "
            f"--name {printable(name)}",
        )


class NoBuildpackFoundError(SlugkitError):
    """None of the installed buildpacks knows how to build this app."""

    exit_code = ExitCode.DATA
    id = "no-buildpack-found"

    def __init__(self, said: Mapping[str, Sequence[str]]) -> None:
        self.said = {name: unmarked(lines) for name, lines in said.items()}
        super().__init__(
            "None of the installed buildpacks recognised this app",
            details="\n".join(_refusal(name, lines) for name, lines in self.said.items()),
            resolution="Name one with -b, or install one: slugc buildpacks add SPEC",
        )


def _refusal(name: str, lines: Sequence[str]) -> str:
    first = next((line.strip() for line in lines if line.strip()), "it gave no reason")
    return f"- {printable(name)}: {printable(first, limit=200)}"


class BuildpackBrokenError(SlugkitError):
    """A buildpack whose programs cannot be started; every problem is listed."""

    exit_code = ExitCode.DATA
    id = "buildpack-broken"

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__(
            f"The buildpack {printable(name)} cannot be started",
            details="\n".join(f"- {problem}" for problem in self.problems),
            resolution="A buildpack is a directory with the programs bin/detect and\n"
            "bin/compile, and mostly bin/release.",
        )


class NotDetectedError(SlugkitError):
    """The buildpack does not know how to build this app; its reasons are shown."""

    exit_code = ExitCode.DATA
    id = "not-detected"

    def __init__(self, name: str, said: Sequence[str]) -> None:
        self.name, self.said = name, unmarked(said)
        super().__init__(
            f"The buildpack {printable(name)} did not recognise this app",
            details="\n".join(self.said),
            resolution=""
            if said
            else "Choose another buildpack with -b, or check the app's files.",
        )


class PhaseFailedError(SlugkitError):
    """A phase ended with a code that means failure."""

    exit_code = ExitCode.DATA
    id = "phase-failed"

    def __init__(
        self, phase: str, name: str, code: int, last_lines: Sequence[str], *, hint: str = ""
    ) -> None:
        self.phase, self.name, self.code, self.hint = phase, name, code, hint
        self.last_lines = unmarked(last_lines)
        self.lines_shown = False  # set where it is known that the screen has them already
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        super().__init__(
            f"bin/{phase} of the buildpack {printable(name)} {how}",
            details="\n".join(self.last_lines),
            resolution="\n\n".join(filter(None, (self._reason(), hint))),
        )

    def _reason(self) -> str:
        if self.last_lines:
            return "The reason stands above, in the buildpack's own words."
        return "It gave no reason."

    def for_screen(self) -> SlugkitError:
        """The same without the lines that stand just above it."""
        if not self.lines_shown:
            return self
        return SlugkitError(self.brief, resolution=self.resolution)


LIMIT_OPTIONS = {"detect": "--detect-timeout"}
"""which option gives a phase more time, where it is not the one for the whole build"""


class PhaseTimeoutError(SlugkitError):
    """A phase ran into our time limit; everything it had started was killed."""

    exit_code = ExitCode.TIME_LIMIT
    id = "phase-timeout"

    def __init__(self, phase: str, name: str, limit: float) -> None:
        self.phase, self.name, self.limit = phase, name, limit
        super().__init__(
            f"bin/{phase} of the buildpack {printable(name)} was still running when the time\n"
            f"limit of {round(limit, 1):g} second{'s' * (limit != 1)} was reached",
            details="It was stopped, with everything it had started. Nothing was written.",
            resolution=f"Give it more time with {LIMIT_OPTIONS.get(phase, '--timeout')} SECONDS.",
        )


class ReleaseOutputError(SlugkitError):
    """bin/release printed something that is no buildpack release; every problem is listed."""

    exit_code = ExitCode.DATA
    id = "release-output"

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__(
            f"bin/release of the buildpack {printable(name)} printed something we cannot use",
            details="\n".join(f"- {problem}" for problem in self.problems),
            resolution="It prints YAML like this:\n\n    default_process_types:\n"
            "      web: gunicorn app:app\n    config_vars:\n      DEBUG: '0'",
        )


class NoProcessTypesError(SlugkitError):
    """A slug nobody could start."""

    exit_code = ExitCode.DATA
    id = "no-process-types"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            "The app names no process types, so there would be nothing to run",
            details=f"There is no Procfile in the app's root directory, and the buildpack\n"
            f"{printable(name)} knows no default for it.",
            resolution="Write a file named Procfile (no ending, capital P), for example:\n\n"
            "    web: gunicorn app:app --bind 0.0.0.0:$PORT\n\n"
            "For a slug that is only used for one-off commands: --allow-no-processes",
        )
