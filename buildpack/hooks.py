"""The app's own build steps: bin/pre_compile and bin/post_compile."""

from __future__ import annotations

import os
import re
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

from buildpack.app import App
from buildpack.support import files
from buildpack.support.command import Command, CommandFailedError, CommandNotFoundError, stream
from buildpack.support.errors import SlugkitError, printable
from buildpack.support.leftovers import adopt_orphans, end_descendants

LONGEST_FIRST_LINE = 256
"""As the kernel reads it (BINPRM_BUF_SIZE)."""

LINES_KEPT = 50
"""Of its output, for the reason of a failure to be looked for."""


NO_PIP = re.compile(r"\bpip[\d.]*: (command )?not found|No module named '?pip\b")
WITHOUT_PIP = """\
It runs pip, which is no part of what is built. Name what it installs in your
requirements; or name pip there, which then is part of the slug.

"""
"""On Heroku pip is there, and spaCy, for instance, downloads its models with it."""


class HookFailedError(SlugkitError):
    """A hook ended with a non-zero code."""

    id = "hooks::failed"

    def __init__(self, name: str, code: int, lines: Sequence[str] = ()) -> None:
        self.name, self.code, self.lines = name, code, tuple(lines)
        self.reason_id = f"hooks::{name}"
        wants_pip = any(map(NO_PIP.search, lines))
        super().__init__(
            f"Your {name} script failed",
            details=f"bin/{name} {how_it_ended(code)}. Its output is above.",
            resolution=(WITHOUT_PIP if wants_pip else "")
            + "Correct the script, or remove it from your app if you do not need it.",
        )


FIRST_LINE = """\
Make this its first line, with a plain line end:

    #!/usr/bin/env bash"""


class HookNotRunnableError(SlugkitError):
    """The hook cannot be started: the kernel does not know how, or it is none of the app's."""

    id = "hooks::not-runnable"

    def __init__(self, name: str, reason: str, resolution: str = FIRST_LINE) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"Your {name} script cannot be run",
            details=f"bin/{name} cannot be started: {reason}.",
            resolution=resolution,
        )


def how_it_ended(code: int) -> str:
    """The end of a program in words; a negative code is the signal that killed it."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def hook_argv(script: Path, on_line: Callable[[str], None]) -> tuple[str, ...]:
    """The program to start: the script itself, or bash where it does not say who reads it.

    A script without a ``#!`` line runs on Heroku, as bash takes it for one of its own.
    """
    with script.open("rb") as file:
        beginning = file.read(LONGEST_FIRST_LINE)
    first_line, newline, _ = beginning.partition(b"\n")
    if first_line.startswith(b"#!") and newline and first_line.endswith(b"\r"):
        # Said before it is tried: through env(1) it starts, and fails with words of env's.
        raise HookNotRunnableError(script.name, "its first line ends in CRLF, as Windows writes it")
    if beginning.startswith(b"#!") or b"\0" in beginning:
        return (str(script),)
    name = f"bin/{script.name}"
    on_line(f"{name} has no '#!' line: running it with bash. Better make its first line")
    on_line("#!/usr/bin/env bash")
    return ("bash", str(script))


def make_executable(script: Path, app: App) -> None:
    """Give a hook the mode that git may have lost, if it is a file of the app.

    A link may lead anywhere, and what lies outside is not ours to change.
    """
    if os.access(script, os.X_OK):
        return
    if not app.is_inside(f"bin/{script.name}"):
        raise HookNotRunnableError(
            script.name,
            "it is a link to a file outside your app, and that is not executable",
            f"Put the script itself at bin/{script.name}, in place of the link.",
        )
    script.chmod(script.stat().st_mode | 0o111)


def run_hook(name: str, app: App, env: Mapping[str, str], on_line: Callable[[str], None]) -> bool:
    """Run ``bin/NAME`` if the app has one; says whether it had.

    What it leaves running is ours from then on, and ends with the build.
    """
    script = app.root / "bin" / name
    if not script.is_file():
        return False
    lines: deque[str] = deque(maxlen=LINES_KEPT)

    def show(line: str) -> None:
        lines.append(line)
        on_line(line)

    try:
        adopt_orphans()
        argv = hook_argv(script, on_line)
        if argv[0] == str(script):
            make_executable(script, app)
        stream(Command(argv=argv, cwd=app.root, env=env, title=f"bin/{name}"), show)
    except CommandFailedError as err:
        raise HookFailedError(name, err.code, lines) from err
    except (OSError, CommandNotFoundError) as err:
        raise HookNotRunnableError(name, _why_not(script, err)) from err
    return True


BESIDE_ITS_PYTHON = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""
"""As uv begins scripts of an environment that may be moved."""


def unbind_scripts(bin_dir: Path) -> None:
    """Let programs that a hook has installed with pip start wherever the app is moved to.

    pip writes the path behind ``#!`` while the kernel can read all of it, else on the next line.
    """
    python = re.escape(os.fsencode(bin_dir / "python"))
    bound = re.compile(rb"(?:/bin/sh\n'''exec' \"?)?" + python + rb"[^\n]*\n(?:' '''\n)?")
    for script in sorted(bin_dir.glob("*")):
        if script.is_symlink() or not script.is_file():
            continue
        with script.open("rb") as file:
            content = file.read() if file.read(2) == b"#!" else b""
        if match := bound.match(content):
            mode = script.stat().st_mode
            # A new file: that one may be a link to one of the cache.
            files.write_whole(script, BESIDE_ITS_PYTHON + content[match.end() :])
            script.chmod(mode)


def end_what_is_left(
    before: Set[int], facts: Mapping[str, object], on_line: Callable[[str], None]
) -> None:
    """At the end of a build: what hooks left running would outlive it, with nobody to end it.

    Processes that were there ``before`` it are somebody else's: a shell that became us had them.
    """
    names = end_descendants(before)
    if names and (facts.get("pre_compile_hook") or facts.get("post_compile_hook")):
        on_line(f"Ended what was left running: {', '.join(map(printable, names))}.")


def _why_not(script: Path, err: Exception) -> str:
    """What the first line says, where that is the reason; what the system says otherwise."""
    try:
        with script.open("rb") as file:
            first_line = file.read(LONGEST_FIRST_LINE).partition(b"\n")[0]
    except OSError:
        first_line = b""
    if isinstance(err, CommandNotFoundError) and first_line.startswith(b"#!"):
        interpreter = first_line[2:].strip().partition(b" ")[0]
        return f"there is no '{printable(interpreter)}', which its first line names"
    if isinstance(err, OSError) and err.strerror:
        return f"the system says: {err.strerror.lower()}"
    return f"there is no {getattr(err, 'program', 'program')} to run it with"
