"""What slug-run is asked: one value for each command, made from the words a person typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import value
from runner.amounts import parse_size, parse_time_limit
from runner.front import LOOPBACK

if TYPE_CHECKING:  # commands that start no container are quicker without
    from runner.engine_choice import EngineChoice
    from runner.engines.base import Limits

# Words after slug-run that are no process type: cli.py has a command for each (tests compare).
COMMANDS = (
    "apps",
    "config",
    "console",
    "deploy",
    "doctor",
    "drains",
    "engine",
    "exec",
    "logs",
    "plan",
    "promote",
    "ps",
    "releases",
    "restart",
    "rollback",
    "run",
    "scale",
    "schedule",
    "service",
    "shell",
    "start",
    "stop",
    "top",
)

# What `start` does when nothing else is said, as click hands it over (tests compare).
DEFAULTS: Mapping[str, Any] = {
    "types": (),
    "count": None,
    "concurrency": None,
    "port": None,
    "bind": LOOPBACK,
    "boot_timeout": 60,
    "exit_on_crash": False,
    "detach": False,
    "as_json": False,
    "metrics": None,
    "health": None,
    "strategy": None,
    "overlap": (),
    "no_overlap": (),
    "drain_timeout": None,
    "overcommit": False,
    "router_log": None,
    "request_timeout": None,
    "no_prefix": False,
    "no_color": False,
    "slug_file": None,
    "app": None,
    "engine": None,
    "assignments": (),
    "env_files": (),
    "size": None,
    "memory": "512M",
    "cpus": None,
    "pids": 256,
    "disk": None,
    "stop_timeout": 30,
}


@value
class RunRequest:
    """What both commands are asked: which slug, which config, which engine."""

    slug_file: Path | None
    app: str | None
    """whose current release to run, where no slug is named"""
    cwd: Path
    env: Mapping[str, str]
    assignments: tuple[str, ...]
    env_files: tuple[Path, ...]
    engine: EngineChoice
    limits: Limits
    stop_timeout: float


@value
class StartRequest(RunRequest):
    """A formation to start and watch."""

    words: tuple[str, ...]
    count: str | None
    concurrency: str | None
    port: int | None
    bind: str
    boot_timeout: float
    exit_on_crash: bool
    prefix: bool
    color: bool | None
    direct: bool = False
    """A lone web container has nobody in front, whatever its port."""
    overcommit: bool = False
    """Start them also where memory is short."""
    router_log: bool = False
    """Whether the load balancer tells of each request."""
    request_timeout: float | None = None
    """Seconds a web container may take to begin an answer; None: for ever."""
    commands: tuple[str, ...] = ()
    """Words that would have been commands, for the nearest-match suggestion."""


@value
class OneOffRequest(RunRequest):
    """One command to run."""

    words: tuple[str, ...]
    quiet: bool
    time_limit: float | None
    """seconds"""
    tty: bool | None
    """whether the command gets a terminal; None: if standard input and output both are one"""
    otherwise: str | None
    """the command line where the first word is not a process type; None: the words themselves"""


class DiskEngineError(UsageError):
    """Only one engine can hold what a container writes to a size."""

    id = "disk-engine"

    def __init__(self, engine: str) -> None:
        self.engine = engine
        super().__init__(
            f"--disk cannot be used with the {engine} engine",
            details="It has no way to limit what a container writes.",
            resolution="Leave it out, or use --engine embedded.",
        )


def current_dir() -> Path:
    """Where we were started. If that has been deleted, it is the kernel's name for it: nothing is
    found there, and nothing but what is looked for there fails."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/proc/self/cwd").readlink()


def start_request(
    options: Mapping[str, Any],
    env: Mapping[str, str],
    cwd: Path,
    *,
    commands: Sequence[str] = (),
) -> StartRequest:
    """What the words after ``slug-run start`` ask for."""
    return StartRequest(
        **_shared(options, env, cwd),
        words=options["types"],
        count=options["count"],
        concurrency=options["concurrency"],
        port=options["port"],
        bind=_parse_bind(options["bind"]),
        boot_timeout=options["boot_timeout"],
        overcommit=options["overcommit"],
        router_log=bool(options["router_log"]),
        request_timeout=parse_time_limit(
            options["request_timeout"] or "none", option="--request-timeout"
        ),
        exit_on_crash=options["exit_on_crash"],
        prefix=not options["no_prefix"],
        color=False if options["no_color"] else None,
        commands=tuple(commands),
    )


def one_off_request(
    options: Mapping[str, Any],
    env: Mapping[str, str],
    cwd: Path,
    *,
    otherwise: str | None = None,
) -> OneOffRequest:
    """What the words after ``slug-run run`` ask for."""
    return OneOffRequest(
        **_shared(options, env, cwd),
        words=options["words"],
        quiet=options["quiet"],
        time_limit=parse_time_limit(options["time_limit"] or "none"),
        tty=options.get("tty"),
        otherwise=otherwise,
    )


def _shared(options: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
    from runner.engine_choice import determine_engine
    from runner.engines.base import Limits

    limits = Limits(
        memory=parse_size(options["memory"]),
        cpus=options["cpus"],
        pids=options["pids"],
        disk=parse_size(options["disk"] or "none", option="--disk"),
    )
    engine = determine_engine(options["engine"], env)
    if limits.disk is not None and engine.name != "embedded":
        raise DiskEngineError(engine.name)
    if options["size"] is not None:
        limits = _of_size(options, limits)
    return {
        "slug_file": options["slug_file"],
        "app": _parse_app(options, env),
        "cwd": cwd,
        "env": dict(env),
        "assignments": options["assignments"],
        "env_files": options["env_files"],
        "engine": engine,
        "limits": limits,
        "stop_timeout": options["stop_timeout"],
    }


def _of_size(options: Mapping[str, Any], given: Limits) -> Limits:
    """A size's limits; what is given beside it beats it."""
    from buildpack.support.values import changed
    from runner.sizes import find_size

    limits = changed(find_size(options["size"]).limits, cpus=given.cpus, disk=given.disk)
    if options["memory"] != DEFAULTS["memory"]:
        limits = changed(limits, memory=given.memory, quota=None)
    if options["pids"] != DEFAULTS["pids"]:
        limits = changed(limits, pids=given.pids)
    return limits


def _parse_app(options: Mapping[str, Any], env: Mapping[str, str]) -> str | None:
    """``--app``, else the environment's, which a slug that is named beats."""
    app: str | None = options["app"]
    if app is not None and options["slug_file"] is not None:
        raise UsageError(
            "--app and --slug name two things to run",
            resolution="--app runs what was deployed, --slug a file: leave one of them out.",
        )
    if app is not None or options["slug_file"] is not None:
        return app
    return env.get("SLUG_RUN_APP") or env.get("HEROKU_APP") or None


def _parse_bind(text: str) -> str:
    if text in {"localhost", LOOPBACK}:
        return LOOPBACK
    import ipaddress  # for who asks for another address only

    try:
        return str(ipaddress.ip_address(text))
    except ValueError as err:
        raise UsageError(
            f"'{printable(text)}' is not an address to listen on",
            resolution="Give an IP address:\n\n    --bind 0.0.0.0",
        ) from err
