"""The app's own build steps: bin/pre_compile and bin/post_compile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, CommandNotFoundError, stream
from buildpack.support.errors import SlugkitError


class HookFailedError(SlugkitError):
    """A hook ended with a non-zero code."""

    id = "hooks::failed"

    def __init__(self, name: str, code: int) -> None:
        self.name, self.code = name, code
        super().__init__(
            f"Your {name} script failed",
            details=f"bin/{name} ended with exit code {code}. Its output is above.",
            resolution="Correct the script, or remove it from your app if you do not need it.",
        )


class HookNotRunnableError(SlugkitError):
    """The kernel does not know how to run the hook."""

    id = "hooks::not-runnable"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"Your {name} script cannot be run",
            details=f"bin/{name} does not start with a line that names its interpreter,\n"
            "or that interpreter is not there (a line that ends in CRLF is a common cause).",
            resolution="Make this its first line:\n\n    #!/usr/bin/env bash",
        )


def run_hook(
    name: str, build_dir: Path, env: Mapping[str, str], on_line: Callable[[str], None]
) -> bool:
    """Run ``bin/NAME`` if the app has one; says whether it had."""
    script = build_dir / "bin" / name
    if not script.is_file():
        return False
    script.chmod(script.stat().st_mode | 0o111)
    command = Command(argv=(str(script),), cwd=build_dir, env=env, title=f"bin/{name}")
    try:
        stream(command, on_line)
    except CommandFailedError as err:
        raise HookFailedError(name, err.code) from err
    except (OSError, CommandNotFoundError) as err:
        raise HookNotRunnableError(name) from err
    return True
