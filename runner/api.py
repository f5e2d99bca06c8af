"""slug-run for other programs: run a slug's formation, or one command. docs/api.md is its guide.

Import these names from ``runner``. Whatever cannot be done raises a SlugkitError. No signal is
handled, nothing is printed, and the current directory is only read.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from buildpack.support.errors import SlugkitError, UsageError, printable
from buildpack.support.values import NOTHING, changed
from runner.amounts import TimeLimitError
from runner.carrying import plan_formation
from runner.config_vars import ConfigVarError
from runner.engines.base import Address
from runner.errors import PortInUseError
from runner.events import Crashed, Down, Event, EventLog, Line, Missed, Starting, Up
from runner.front import LOOPBACK
from runner.policy import Outcome
from runner.ports import AddressNotHereError
from runner.requests import (
    DEFAULTS,
    OneOffRequest,
    StartRequest,
    one_off_request,
    start_request,
)
from runner.running import (
    FormationEndedError,
    NotUpError,
    NoUrlError,
    RunningFormation,
    noting,
    start_formation,
)
from runner.running_one_off import OneOffResult, RunningOneOff, Stdin, run_to_the_end
from runner.session import prepare_release

__all__ = (
    "Address",
    "Crashed",
    "Down",
    "Event",
    "FormationEndedError",
    "Line",
    "Missed",
    "NoUrlError",
    "NotUpError",
    "OneOffResult",
    "Outcome",
    "RunningFormation",
    "RunningOneOff",
    "SlugkitError",
    "Starting",
    "Up",
    "run_one_off",
    "start",
    "start_one_off",
)

AnyPath = str | os.PathLike[str]
Engine = Literal["embedded", "docker", "host"]


class PortError(UsageError):
    """A port that no machine has."""

    id = "port"

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(
            f"{port} is no port", resolution="Give 1 to 65535, or 0 for any that is free."
        )


class SecondsError(UsageError):
    """A span of time that is none."""

    id = "seconds"

    def __init__(self, name: str, given: float) -> None:
        self.name, self.given = name, given
        super().__init__(
            f"{name}={given:g} is no time to wait", resolution="Give seconds from 0 on."
        )


_TRIES = 3  # a port that was free a moment ago may be somebody's now


def start(  # noqa: PLR0913  # all but the first are named, and may be left out
    slug: AnyPath,
    *,
    formation: Mapping[str, int] | None = None,
    config_vars: Mapping[str, str] = NOTHING,
    engine: Engine | None = None,
    port: int | None = None,
    bind: str = LOOPBACK,
    memory: str = DEFAULTS["memory"],
    cpus: float | None = None,
    pids: int | None = DEFAULTS["pids"],
    boot_timeout: float = DEFAULTS["boot_timeout"],
    stop_timeout: float = DEFAULTS["stop_timeout"],
    exit_on_crash: bool = False,
    env: Mapping[str, str] | None = None,
) -> RunningFormation:
    """Start a formation as ``slug-run start`` does, and return when all of it is up.

    Use it with ``with``: its containers end when the block is left. Without a ``formation``,
    ``web`` or the only process type there is; without a ``port``, or with 0, any that is free.
    ``env`` stands for the environment (os.environ), which containers do not see. Raises
    FormationEndedError when it does not come up.
    """
    if formation is not None and not formation:
        raise UsageError("The formation is empty: start(..., formation={'web': 1})")
    options = {
        **_shared(slug, config_vars, engine, memory=memory, cpus=cpus, pids=pids),
        "port": port,
        "types": tuple(f"{name}={count}" for name, count in (formation or {}).items()),
        "bind": bind,
        "boot_timeout": _seconds("boot_timeout", boot_timeout),
        "stop_timeout": _seconds("stop_timeout", stop_timeout),
        "exit_on_crash": exit_on_crash,
    }
    if port is not None and not 0 <= port <= 65535:
        raise PortError(port)
    request = start_request(options, os.environ if env is None else env, Path("/"))
    if port:
        return _started(request)
    for _ in range(_TRIES - 1):
        with contextlib.suppress(PortInUseError):
            return _started(_on_free_port(request))
    return _started(_on_free_port(request))


def run_one_off(  # noqa: PLR0913  # as above
    slug: AnyPath,
    command: str | Sequence[str],
    *,
    stdin: Stdin = None,
    config_vars: Mapping[str, str] = NOTHING,
    engine: Engine | None = None,
    memory: str = DEFAULTS["memory"],
    cpus: float | None = None,
    pids: int | None = DEFAULTS["pids"],
    time_limit: float | None = None,
    stop_timeout: float = DEFAULTS["stop_timeout"],
    env: Mapping[str, str] | None = None,
) -> OneOffResult:
    """Run one command in a container of its own, to its end, as ``slug-run run`` does.

    A text is a shell command line, a list the words of one. ``stdin`` is what it reads: bytes, or
    an open file. An exit code that is not 0 is an answer, not an error.
    """
    options = {
        **_shared(slug, config_vars, engine, memory=memory, cpus=cpus, pids=pids),
        "words": _words(command),
        "stop_timeout": _seconds("stop_timeout", stop_timeout),
    }
    request = _one_off_request(options, env, time_limit)
    release = prepare_release(request, _unheard)
    return run_to_the_end(request, release, stdin, _unheard)


def start_one_off(  # noqa: PLR0913  # as above
    slug: AnyPath,
    command: str | Sequence[str],
    *,
    config_vars: Mapping[str, str] = NOTHING,
    engine: Engine | None = None,
    memory: str = DEFAULTS["memory"],
    cpus: float | None = None,
    pids: int | None = DEFAULTS["pids"],
    time_limit: float | None = None,
    stop_timeout: float = DEFAULTS["stop_timeout"],
    env: Mapping[str, str] | None = None,
) -> RunningOneOff:
    """The same with pipes to it while it runs. Use it with ``with``."""
    options = {
        **_shared(slug, config_vars, engine, memory=memory, cpus=cpus, pids=pids),
        "words": _words(command),
        "stop_timeout": _seconds("stop_timeout", stop_timeout),
    }
    request = _one_off_request(options, env, time_limit)
    return RunningOneOff(request, prepare_release(request, _unheard), _unheard)


def _started(request: StartRequest) -> RunningFormation:
    events = EventLog()
    release = prepare_release(request, noting(events))
    return start_formation(request, plan_formation(request, release), events)


def _on_free_port(request: StartRequest) -> StartRequest:
    family = socket.AF_INET6 if ":" in request.bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((request.bind, 0))
        except OSError as err:
            raise AddressNotHereError(request.bind) from err
        return changed(request, port=probe.getsockname()[1], direct=True)


def _one_off_request(
    options: Mapping[str, Any], env: Mapping[str, str] | None, time_limit: float | None
) -> OneOffRequest:
    if time_limit is not None and not time_limit > 0:
        raise TimeLimitError(str(time_limit))
    request = one_off_request(options, os.environ if env is None else env, Path("/"))
    return changed(request, time_limit=time_limit)


def _seconds(name: str, given: float) -> float:
    if not given >= 0:  # which a NaN is not either
        raise SecondsError(name, given)
    return float(given)


def _words(command: str | Sequence[str]) -> tuple[str, ...]:
    """One word is a command line; so that a list of one word is not, it is quoted."""
    words = (command,) if isinstance(command, str) else tuple(command)
    if not words or not words[0]:
        raise UsageError("The command is empty: run_one_off(slug, ['python', '-V'])")
    if isinstance(command, str) or len(words) > 1:
        return words
    return (shlex.quote(words[0]),)


def _shared(
    slug: AnyPath,
    config_vars: Mapping[str, str],
    engine: str | None,
    *,
    memory: str,
    cpus: float | None,
    pids: int | None,
) -> dict[str, Any]:
    """The options of both commands, as click would hand them over."""
    return {
        **DEFAULTS,
        "slug_file": Path(slug).absolute(),
        "assignments": tuple(f"{_name(name)}={text}" for name, text in config_vars.items()),
        "engine": engine,
        "memory": memory,
        "cpus": None if cpus is None else float(cpus),
        "pids": pids,
        "quiet": True,
        "time_limit": None,
    }


def _name(name: str) -> str:
    if "=" in name or not name:
        raise ConfigVarError([f"'{printable(name)}' is not a name"])
    return name


def _unheard(_: str) -> None:
    """A one-off is told nothing of what slug-run would say on standard error."""
