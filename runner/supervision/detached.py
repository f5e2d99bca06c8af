"""``slug-run start -d``: an app's formation, left running under a supervisor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from buildpack.support.errors import ExitCode, SlugkitError, UsageError
from buildpack.support.values import value
from runner.amounts import parse_size
from runner.app_option import OpenedApp, opened_app
from runner.engine_choice import check_engine, determine_engine
from runner.formation import WEB, determine_formation, parse_formation
from runner.front import RouterNeededError, find_caddy, router_url
from runner.ports import ensure_port_free
from runner.requests import DEFAULTS, start_request
from runner.rollout_options import read_rollout_settings
from runner.scaling import Step, idle_notices, parse_steps
from runner.state.values import WantedCount
from runner.supervision.asking import (
    change_formation,
    describe,
    known_settings,
    poke_and_tell,
    read_containers,
    require_release,
    require_up,
)
from runner.supervision.table import Containers, containers_document
from runner.supervision.telling import say
from runner.supervision.wanted import Settings, parse_settings
from slugc.procfile import ProcessType

# What a supervisor takes from the app's releases and sizes instead, and how to say it there.
_ATTACHED_ONLY = {
    "slug_file": ("--slug", "slug-run deploy FILE"),
    "assignments": ("--env", "slug-run config set NAME=VALUE"),
    "env_files": ("--env-file", "slug-run config set --env-file FILE"),
    "size": ("--size", "slug-run scale web=1:standard-2x"),
    "memory": ("--memory", "slug-run scale web=1:standard-2x"),
    "cpus": ("--cpus", "slug-run scale web=1:standard-2x"),
    "pids": ("--pids", "slug-run scale web=1:standard-2x"),
    "exit_on_crash": ("--exit-on-crash", "slug-run start, without -d"),
    "no_prefix": ("--no-prefix", "slug-run logs"),
}


class AttachedOnlyError(UsageError):
    """Options that mean nothing to an app that is left running."""

    id = "attached-only"

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        self.options = tuple(option for option, _ in found)
        super().__init__(
            f"{', '.join(self.options)} cannot be used with --detach",
            details="What is left running is the app's current release with its config vars.",
            resolution="Instead:\n\n" + "\n".join(f"    {instead}" for _, instead in found),
        )


class EngineNotYetError(SlugkitError):
    """Only one engine can leave containers running yet."""

    exit_code = ExitCode.UNAVAILABLE
    id = "engine-not-yet"

    def __init__(self, engine: str) -> None:
        self.engine = engine
        super().__init__(
            f"The {engine} engine cannot leave an app running yet",
            resolution="Use the embedded engine with --detach:\n\n"
            "    slug-run start -d --engine embedded",
        )


@value
class Started:
    """What runs now."""

    app: str
    text: str
    """for people"""
    facts: Mapping[str, object]
    """for programs"""


def start_detached(
    options: Mapping[str, Any], env: Mapping[str, str], *, typed: Sequence[str] = ()
) -> Started:
    """Start the app's formation, or bring it to what ``options`` say.

    ``typed`` names the options that were given, a default's value among them: such a one is meant.
    """
    found = [_ATTACHED_ONLY[name] for name in _ATTACHED_ONLY if options[name] != DEFAULTS[name]]
    if found:
        raise AttachedOnlyError(found)
    engine = determine_engine(options["engine"], env)
    if engine.name != "embedded":
        raise EngineNotYetError(engine.name)
    unfit = check_engine("embedded", env)
    if unfit is not None:
        raise unfit
    if (options["router_log"] or options["request_timeout"]) and find_caddy(env) is None:
        raise RouterNeededError
    with opened_app(options["app"], env) as opened:
        release = require_release(opened)  # first: without one nobody need free the port
        settings = _settings(opened, options, env, typed)
        containers = read_containers(opened)
        if containers is None and find_caddy(env) is not None:
            ensure_port_free(settings.port, host=settings.bind)
        steps = _steps(opened, options)
        say(f"Starting {opened.app.name} {release.title.rpartition(' ')[2]}")
        _, after = change_formation(
            opened, steps, settings=settings, overcommit=options["overcommit"]
        )
        settled = poke_and_tell(opened)
        require_up(opened, settled)
        containers = settled.containers if settled is not None else ()
        if any(each.get("soft_limits") for each in containers):
            say("Limits are soft here, for each process instead of each container: slug-run doctor")
        types = release.slug.metadata.process_types
        for notice in idle_notices(opened.app.name, after, types):
            say(notice)
        return Started(
            app=opened.app.name,
            text=f"Now running {describe(after, types)}{_where(containers, settings, env)}",
            facts={"containers": containers_document(containers)},
        )


def _settings(
    opened: OpenedApp, options: Mapping[str, Any], env: Mapping[str, str], typed: Sequence[str]
) -> Settings:
    """As it was told last, with what is given now."""
    known = known_settings(opened)
    request = start_request({**options, "slug_file": None}, env, Path("/"))
    given = {
        name: getattr(request, name)
        for name in ("port", "bind", "boot_timeout", "stop_timeout", "request_timeout")
        if name in typed or options[name] != DEFAULTS[name]
    }
    if options["disk"] is not None:
        given["disk"] = parse_size(options["disk"], option="--disk")
    for name in ("metrics", "router_log"):
        if options[name] is not None:
            given[name] = options[name]
    given |= read_rollout_settings(options, known.as_json())
    return parse_settings({**known.as_json(), **given})


def _steps(opened: OpenedApp, options: Mapping[str, Any]) -> Any:
    """From the formation there is to the changes that were asked for."""
    words: Sequence[str] = options["types"]
    bare = [word for word in words if word.replace("-", "").replace("_", "").isalnum()]
    types = require_release(opened).slug.metadata.process_types
    if options["count"] is not None or options["concurrency"] is not None:
        asked = parse_formation(words, count=options["count"], concurrency=options["concurrency"])
        quantities = determine_formation(asked, types).quantities
        fixed = [Step(process_type=x, operation="=", number=n) for x, n in quantities.items()]
        return lambda _: fixed
    steps = parse_steps(word for word in words if word not in bare)

    def make(current: Mapping[ProcessType, WantedCount]) -> Sequence[Step]:
        """A type that is only named runs, once if it did not."""
        named = [
            Step(
                process_type=ProcessType(word), operation="=", number=max(1, _count(current, word))
            )
            for word in bare
        ]
        return [*named, *steps]

    return make


def _count(current: Mapping[ProcessType, WantedCount], word: str) -> int:
    found = current.get(ProcessType(word))
    return found.quantity if found is not None else 0


def _where(containers: Containers, settings: Settings, env: Mapping[str, str]) -> str:
    """Where web answers."""
    web = [each for each in containers if each["type"] == WEB]
    if not web:
        return ""
    if (url := router_url(settings.bind, settings.port, env)) is not None:
        return f"\n{url}"
    return "".join(f"\n{each['name']} at http://{each['address']}" for each in web)
