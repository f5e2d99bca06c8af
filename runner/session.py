"""The two things slug-run does with a slug: a formation you watch, and a one-off."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.errors import ExitCode, SlugkitError, UsageError
from buildpack.support.output import Output, wants_color
from runner.engine_choice import opened_engine
from runner.engines.base import Address, EngineRequest
from runner.formation import (
    ContainerSpec,
    Formation,
    determine_formation,
    expand,
    parse_formation,
)
from runner.front import (
    LOOPBACK,
    NO_CADDY_NOTICE,
    FrontKind,
    FrontPlan,
    find_caddy,
    formation_lines,
    plan_front,
)
from runner.launch import CONTAINER_PORT, container_spec, one_off_command
from runner.ports import choose_ports, ensure_port_free
from runner.release import Release, create_release, with_config_vars
from runner.requests import OneOffRequest, RunRequest, StartRequest
from runner.signals import StopSignals
from slugc.procfile import ProcessType
from slugc.slug import Slug, read_slug

if TYPE_CHECKING:
    # Imported for real where they are used: a container starts sooner without waiting for them.
    from runner.logs import LogWriter
    from runner.policy import Outcome, Policy


class NoSlugError(SlugkitError):
    """No slug was named and there is none here."""

    exit_code = ExitCode.NO_INPUT
    id = "no-slug"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        super().__init__(
            "There is no slug here",
            details=f"No file in {directory} ends in .slug.",
            resolution="Build one, or say where it is:\n\n"
            "    slugc build . -o app.slug\n"
            "    slug-run web --slug app.slug",
        )


class SeveralSlugsError(UsageError):
    """No slug was named and there are several here."""

    id = "several-slugs"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            "There are several slugs here",
            details="\n".join(f"- {name}" for name in self.names),
            resolution=f"Say which one:\n\n    slug-run web --slug {self.names[0]}",
        )


def find_slug(named: Path | None, directory: Path) -> Path:
    """The slug to run: the one that was named, else the only one in ``directory``."""
    if named is not None:
        return directory / named
    found = sorted(path for path in directory.glob("*.slug") if path.is_file())
    if not found:
        raise NoSlugError(directory)
    if len(found) > 1:
        raise SeveralSlugsError([path.name for path in found])
    return found[0]


def run_formation(request: StartRequest) -> Outcome:
    """Boot the formation and stay with it until it ends."""
    release = prepare_release(request)
    types = release.slug.metadata.process_types
    asked = parse_formation(request.words, count=request.count, concurrency=request.concurrency)
    formation = determine_formation(asked, types, commands=request.commands)
    caddy = find_caddy(request.env)
    plan = plan_front(
        web=formation.web, port=request.port, bind=request.bind, has_caddy=caddy is not None
    )
    if plan.url is not None:
        ensure_port_free(plan.port, host=plan.bind)
    specs = _expand(release, formation, plan, on_host=request.engine.name == "host")
    _say(f"Booting {release.title} ({_identity(release, request.engine.name)})")
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        engine = stack.enter_context(
            opened_engine(request.engine, _engine_request(request, release))
        )
        # Not before: the engine may refuse the slug, and nothing would answer there.
        _announce(request.engine.name, specs, plan)
        log = _log_writer(request, specs, signals)
        front = None
        if plan.kind is FrontKind.ROUTER:
            from runner.router import Router

            assert caddy is not None
            listen = Address(host=plan.bind, port=plan.port)
            front = stack.enter_context(Router(caddy, listen=listen))
        signals.hold()
        from runner.supervisor import Supervisor

        supervisor = Supervisor(
            engine=engine,
            log=log,
            signals=signals,
            policy=_policy(request, plan),
            front=front,
            on_up=lambda addresses: _say_up(release.app, plan, addresses),
        )
        return supervisor.run(specs)


def run_one_off(request: OneOffRequest) -> int:
    """Run one command in a fresh container, and give its exit code."""
    from runner.one_off import OneOff, one_off_ordinal, own_streams
    from runner.terminal import terminal_env

    release = prepare_release(request)
    own = own_streams()
    _warn_of_host(request.engine.name)
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        engine = stack.enter_context(
            opened_engine(request.engine, _engine_request(request, release))
        )
        spec = container_spec(
            release,
            process_type=ProcessType("run"),
            ordinal=one_off_ordinal(),
            command=one_off_command(
                request.words,
                release.slug.metadata.process_types,
                otherwise=request.otherwise,
            ),
            terminal_env=terminal_env(own.stdout, request.env) if own.terminal else None,
        )
        if not request.quiet:
            _say(f"Running `{spec.command}` in {spec.name} ({_identity(release, engine.name)})")
        signals.hold()
        one_off = OneOff(
            engine=engine,
            signals=signals,
            own=own,
            stop_timeout=request.stop_timeout,
            time_limit=request.time_limit,
        )
        code = one_off.run(spec)
        if one_off.is_too_late:
            _say(f"{spec.name} ran for longer than its limit of {request.time_limit:g} seconds")
        return code


def prepare_release(request: RunRequest) -> Release:
    """The slug, or what was deployed to the app, bound to the config given for this run."""
    if request.app is not None:
        # SQLite and its like: only for who has apps
        from runner.deploys.current import current_release

        return with_config_vars(
            current_release(request.app, request.env), _given_config_vars(request)
        )
    slug: Slug = read_slug(find_slug(request.slug_file, request.cwd))
    return create_release(slug, _given_config_vars(request))


def _given_config_vars(request: RunRequest) -> Mapping[str, str]:
    if not request.env_files and not request.assignments:
        return {}
    from buildpack.support.env_file import read_env_file
    from runner.config_vars import merge_config_vars, parse_assignments

    files = [read_env_file(request.cwd / path) for path in request.env_files]
    return merge_config_vars(*files, parse_assignments(request.assignments), warn=_output().notice)


def _engine_request(request: RunRequest, release: Release) -> EngineRequest:
    return EngineRequest(
        release=release, limits=request.limits, env=request.env, notify=_output().notice
    )


def _expand(
    release: Release, formation: Formation, plan: FrontPlan, *, on_host: bool
) -> tuple[ContainerSpec, ...]:
    def make_spec(name: ProcessType, ordinal: int, port: int | None) -> ContainerSpec:
        command = release.slug.metadata.process_types[name]
        return container_spec(
            release, process_type=name, ordinal=ordinal, command=command, port=port
        )

    return expand(formation, make_spec, web_ports=_web_ports(formation.web, plan, on_host=on_host))


def _web_ports(web: int, plan: FrontPlan, *, on_host: bool) -> tuple[int, ...]:
    """What each web container's PORT is. Without networks of their own they must differ."""
    if not on_host:
        return (CONTAINER_PORT,) * web
    if plan.kind is FrontKind.PUBLISHED:
        return (plan.port,)
    return choose_ports(web, first=plan.port + (plan.kind is FrontKind.ROUTER))


def _policy(request: StartRequest, plan: FrontPlan) -> Policy:
    from runner.policy import Policy

    return Policy(
        boot_timeout=request.boot_timeout,
        stop_timeout=request.stop_timeout,
        exit_on_crash=request.exit_on_crash,
        publish=plan.port if plan.kind is FrontKind.PUBLISHED else None,
    )


def _log_writer(
    request: StartRequest, specs: Sequence[ContainerSpec], signals: StopSignals
) -> LogWriter:
    from runner.logs import LogWriter

    color = wants_color(sys.stdout, request.env) if request.color is None else request.color
    return LogWriter(
        descriptor=sys.stdout.fileno(),
        names=tuple(spec.name for spec in specs),
        color=color,
        prefix=request.prefix,
        interrupted=lambda: signals.first is not None,
    )


# What is said around the log goes to standard error, so that standard output is the log alone.


def _announce(engine: str, specs: Sequence[ContainerSpec], plan: FrontPlan) -> None:
    for line in formation_lines([spec.name for spec in specs], plan):
        _say(line)
    if plan.kind is FrontKind.ADDRESSES:
        _output().notice(NO_CADDY_NOTICE)
    _warn_of_host(engine)


def _warn_of_host(engine: str) -> None:
    if engine == "host":
        from runner.engines.host import WARNING

        _output().warning(WARNING)


def _say_up(app: str, plan: FrontPlan, addresses: Mapping[str, Address]) -> None:
    if plan.url is not None:
        _say(f"{app} is up at {plan.url}")
        return
    for name, address in addresses.items():
        host = "localhost" if address.host == LOOPBACK else address.host
        _say(f"{name} is up at http://{host}:{address.port}")


def _identity(release: Release, engine: str) -> str:
    checksum = release.slug.metadata.checksum.removeprefix("sha256:")
    return f"slug {checksum[:4]}…, {engine} engine"


def _say(text: str) -> None:
    from runner.logs import clean

    # Names and commands come from the slug, which may be anybody's.
    sys.stderr.write(f"{clean(text, color=False)}\n")
    sys.stderr.flush()


def _output() -> Output:
    return Output(out=sys.stderr)
