"""Runs uv for apps whose own settings of uv count: projects, lock files and scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from buildpack.installers.base import Install, OnLine
from buildpack.installers.diagnosis.errors import InstallFailedError
from buildpack.installers.diagnosis.failures import classify_failure
from buildpack.installers.file_limit import limited
from buildpack.installers.locks.project_errors import (
    BrokenFileError,
    RequiredUvVersionError,
    UvLockOutOfSyncError,
)
from buildpack.installers.requirements import TIME_LIMIT, look_at_installed
from buildpack.installers.uv_environment import FROM_PIP, uv_env
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, stream
from buildpack.support.errors import SlugkitError
from buildpack.tools import index_url, tool_versions

RESOLVING = frozenset(
    {"UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_CONSTRAINT"}
)
"""Where packages come from. A lock says so itself: pip's settings must not make it look stale."""

QUIET = ("Using Python", "warning: `UV_", "Using CPython", "Using script environment")

LOCK_TOO_OLD = re.compile(r"needs to be updated, but `--locked`|Unable to find lockfile")
LOCK_BROKEN = re.compile(
    r"Failed to parse `(?P<lock>[^`]*\.lock)`|Not a valid `pylock.toml` file: (?P<pylock>\S+)"
)
UV_VERSION = re.compile(r"Required uv version `(?P<wanted>[^`]+)` does not match")


def own_settings_env(install: Install) -> dict[str, str]:
    """uv's environment where the app's [tool.uv] and uv.toml count, and the machine's do not."""
    env = uv_env(install)
    del env["UV_NO_CONFIG"]
    nowhere = str(install.scratch_dir / "no-config")
    return env | {"XDG_CONFIG_HOME": nowhere, "XDG_CONFIG_DIRS": nowhere}


def locked_env(install: Install) -> dict[str, str]:
    """As uv reads its own variables: pip's do not count, nor does pip's way with many indexes."""
    env = own_settings_env(install)
    for theirs, ours in FROM_PIP.items():
        if ours in RESOLVING and install.env.get(theirs) and not install.env.get(ours):
            del env[ours]
    if not install.env.get("UV_INDEX_STRATEGY"):
        del env["UV_INDEX_STRATEGY"]
    return env


def sync_command(
    install: Install, arguments: Sequence[str], env: Mapping[str, str], *, title: str
) -> Command:
    """``uv sync`` into the build's virtualenv, whatever Python the app's files make uv look for."""
    return Command(
        argv=(str(install.uv), "sync", "--color", "never", "--no-compile-bytecode", *arguments),
        cwd=install.app_dir,
        env=env,
        timeout=TIME_LIMIT,
        title=title,
    )


def run_uv(
    command: Command,
    install: Install,
    on_line: OnLine,
    *,
    lock_error: Callable[[], SlugkitError],
) -> None:
    """Run it; failures of the lock are told by ``lock_error``, others as for every installer."""
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        if not line.startswith(QUIET):
            on_line(line)

    try:
        stream(limited(command), keep)
    except CommandFailedError as err:
        raise classify_uv_failure(
            lines, index_url(install.env), err.code, lock_error=lock_error
        ) from err
    except CommandTimeoutError as err:
        raise InstallFailedError(("uv took longer than 30 minutes",), 124) from err
    look_at_installed(install, lines)


def classify_uv_failure(
    lines: Sequence[str], index: str, code: int, *, lock_error: Callable[[], SlugkitError]
) -> SlugkitError:
    """The error that uv's output stands for."""
    text = " ".join(" ".join(lines).split())
    if LOCK_TOO_OLD.search(text):
        return lock_error()
    version = UV_VERSION.search(text)
    if version:
        return RequiredUvVersionError("Your app", version["wanted"], tool_versions()["uv"])
    broken = LOCK_BROKEN.search(text)
    if broken:
        at = re.search(r"at line (\d+)", text)
        reason = text.rpartition("|")[2].strip(" ^") or "uv cannot parse it"
        command = "uv export --format pylock.toml -o" if broken["pylock"] else "uv lock"
        remedy = f"Write it again:\n\n    {command} {broken['pylock'] or ''}".rstrip()
        name = broken["lock"] or broken["pylock"]
        return BrokenFileError(name, int(at[1]) if at else 0, f"{reason}.", remedy)
    return classify_failure(lines, index, code)


def lock_is_old(lock: str, source: str, command: str) -> Callable[[], SlugkitError]:
    """For ``run_uv``: uv found what our own comparison does not see."""
    return lambda: UvLockOutOfSyncError(lock, source, command)
