"""A run, carried out: what was planned is started, watched and given back, whoever is told.

Nothing here knows of terminals, signals or standard streams: `session.py` brings a person's,
`running.py` and `running_one_off.py` those of a program.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from buildpack.support.errors import shown_seconds
from buildpack.support.values import value
from runner.engine_choice import opened_engine
from runner.engines.base import Address, EngineRequest
from runner.formation import (
    ContainerSpec,
    Formation,
    determine_formation,
    expand,
    parse_formation,
)
from runner.front import LOOPBACK, FrontKind, FrontPlan, find_caddy, plan_front
from runner.launch import CONTAINER_PORT, container_spec, one_off_command
from runner.ports import choose_ports, ensure_port_free
from runner.release import Release
from runner.requests import OneOffRequest, RunRequest, StartRequest
from runner.signals import Stopping
from slugc.procfile import ProcessType

if TYPE_CHECKING:
    # Imported for real where they are used: a container starts sooner without waiting for them.
    from runner.holder import Holder
    from runner.logs import Log
    from runner.one_off import OneOff, OwnStreams
    from runner.policy import Outcome, Policy
    from runner.rescaling import Wishes
    from runner.router import Router
    from runner.slot import Slot


@value
class FormationPlan:
    """What will run, decided before anything is started."""

    release: Release
    front: FrontPlan
    specs: tuple[ContainerSpec, ...]
    caddy: str | None


@value
class Audience:
    """Who is told what: a person at a terminal, or the program that uses us."""

    make_log: Callable[[], Log]
    """called when the engine is ready"""
    notify: Callable[[str], None]
    on_up: Callable[[Mapping[str, Address]], None]
    on_change: Callable[[Slot], None]


def plan_formation(request: StartRequest, release: Release) -> FormationPlan:
    """Which containers, of what, and who stands before them."""
    types = release.slug.metadata.process_types
    asked = parse_formation(request.words, count=request.count, concurrency=request.concurrency)
    formation = determine_formation(asked, types, commands=request.commands)
    if formation.total > 1 and not request.overcommit:
        from runner.memory_budget import formation_demands, read_free, require_memory

        require_memory(formation_demands(formation, request.limits), read_free())
    caddy = find_caddy(request.env)
    is_alone = request.direct and formation.web == 1 and request.bind == LOOPBACK
    front = plan_front(
        web=formation.web,
        port=request.port,
        bind=request.bind,
        has_caddy=caddy is not None and not is_alone,
        is_needed=request.router_log or request.request_timeout is not None,
    )
    if front.url is not None:
        ensure_port_free(front.port, host=front.bind)
    specs = _expand(release, formation, front, on_host=request.engine.name == "host")
    return FormationPlan(release=release, front=front, specs=specs, caddy=caddy)


def carry_formation(  # noqa: PLR0913  # what is run, who is told, what has begun
    request: StartRequest,
    plan: FormationPlan,
    audience: Audience,
    signals: Stopping,
    *,
    hold: Callable[[], None] = lambda: None,
    holder: Holder | None = None,
    wishes: Wishes | None = None,
) -> Outcome:
    """Do what was planned, until it ends. ``hold`` is called once ``signals`` are looked at."""
    made_from = _engine_request(request, plan.release, audience.notify, holder)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(opened_engine(request.engine, made_from))
        log = audience.make_log()
        front, on_change = None, audience.on_change
        if plan.front.kind is FrontKind.ROUTER:
            router, on_change = _router(request, plan, audience)
            front = stack.enter_context(router)
        hold()
        from runner.supervisor import Supervisor

        supervisor = Supervisor(
            engine=engine,
            log=log,
            signals=signals,
            policy=_policy(request, plan.front),
            front=front,
            on_up=audience.on_up,
            on_change=on_change,
            wishes=wishes,
        )
        return supervisor.run(plan.specs)


def _router(
    request: StartRequest, plan: FormationPlan, audience: Audience
) -> tuple[Router, Callable[[Slot], None]]:
    """The load balancer, and who is to be told of changes where it tells of requests."""
    from runner.router import Router
    from runner.router_log.rules import RequestRules

    assert plan.caddy is not None
    listen = Address(host=plan.front.bind, port=plan.front.port)
    rules = RequestRules(timeout=request.request_timeout, log=request.router_log)
    if not rules.log:
        return Router(plan.caddy, listen=listen, rules=rules), audience.on_change
    from runner.router_log.slots import SlotStanding
    from runner.router_log.translator import Translator

    standing = SlotStanding()

    def on_change(slot: Slot) -> None:
        standing.changed(slot)
        audience.on_change(slot)

    worded = Translator(standing).line
    return Router(plan.caddy, listen=listen, rules=rules, worded=worded), on_change


def carry_one_off(  # noqa: PLR0913  # what is run, where its bytes go, who stops it, who is told
    request: OneOffRequest,
    release: Release,
    own: OwnStreams,
    signals: Stopping,
    *,
    announce: Callable[[ContainerSpec], None],
    say: Callable[[str], None],
    notify: Callable[[str], None],
) -> int:
    """Run the command to its end."""
    from runner.one_off import OneOff, one_off_ordinal
    from runner.terminal import terminal_env

    with opened_engine(request.engine, _engine_request(request, release, notify)) as engine:
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
        announce(spec)
        one_off = OneOff(
            engine=engine,
            signals=signals,
            own=own,
            stop_timeout=request.stop_timeout,
            time_limit=request.time_limit,
        )
        code = _run_noted(request, one_off, spec)
        if one_off.was_oom_killed:
            say(f"{spec.name}: {_out_of_memory()}")
        if one_off.is_too_late:
            limit = shown_seconds(request.time_limit or 0.0)
            say(f"{spec.name} ran for longer than its limit of {limit}")
        return code


def _run_noted(request: OneOffRequest, one_off: OneOff, spec: ContainerSpec) -> int:
    """Run it. That it ran stands in the app's log, where it is an app's."""
    if request.app is None:
        return one_off.run(spec)
    from runner import container_lines
    from runner.one_offs.lines import note_attached
    from runner.who import determine_who

    begun = container_lines.starting(spec.command, by=determine_who(request.env))
    note_attached(request.app, spec.name, request.env, begun)
    code = one_off.run(spec)
    ended = (container_lines.exited(code), container_lines.state_changed("up", "complete"))
    why = (_out_of_memory(),) if one_off.was_oom_killed else ()
    note_attached(request.app, spec.name, request.env, *why, *ended)
    return code


def _out_of_memory() -> str:
    from runner import container_lines

    return container_lines.out_of_memory("--memory raises it")


def _engine_request(
    request: RunRequest,
    release: Release,
    notify: Callable[[str], None],
    holder: Holder | None = None,
) -> EngineRequest:
    return EngineRequest(
        release=release, limits=request.limits, env=request.env, notify=notify, holder=holder
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
