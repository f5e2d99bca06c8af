"""Starts an app's keeper, away from the terminal and the session it was asked from."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.locks import took_lock
from runner.supervision.fd_store import LOCK, become_subreaper, keeper_argv, supervisor_argv

# What a supervisor needs of the environment; the rest may hold secrets, and is not its business.
_PASSED = ("PATH", "HOME", "LANG", "SLUGKIT_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
_MOST_ERRORS = 1024 * 1024
_PATIENCE = 0.2  # seconds; who only looks whether it is held holds it for a moment


def supervisor_env(env: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of keeper and supervisor."""
    passed = {name: env[name] for name in _PASSED if name in env}
    return {**passed, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def start_keeper(number: int, directory: Path, env: Mapping[str, str]) -> bool:
    """Start it for the app with that number; False when there is one already."""
    lock = open_lock(directory)
    try:
        if not took_lock(lock, timeout=_PATIENCE):
            return False
        _start(number, directory, lock, supervisor_env(env))
        return True
    finally:
        os.close(lock)


def open_lock(directory: Path) -> int:
    """The lock of the app's supervisor/ directory, open and not yet held."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(directory / "lock", flags, 0o600)


def bound_errors(errors: int) -> None:
    """A supervisor that dies again and again must not fill the disk with why."""
    status = os.fstat(errors)
    if stat.S_ISREG(status.st_mode) and status.st_size > _MOST_ERRORS:
        os.ftruncate(errors, 0)


def _start(number: int, directory: Path, lock: int, env: Mapping[str, str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    code = 70
    try:
        os.setsid()
        if os.fork():
            code = 0
        else:
            _become_keeper(number, directory, lock, env)
    finally:
        os._exit(code)


def _become_keeper(number: int, directory: Path, lock: int, env: Mapping[str, str]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    errors = os.open(directory / "errors", flags, 0o600)
    bound_errors(errors)
    nothing = os.open(os.devnull, os.O_RDWR)
    kept = os.dup(lock)
    for descriptor, number_ in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(descriptor, number_)
    os.chdir("/")
    become_subreaper()
    os.set_inheritable(kept, True)
    argv = keeper_argv({LOCK: kept}, supervisor_argv(number))
    os.execve(argv[0], argv, dict(env))  # noqa: S606  # not a child: what we become
