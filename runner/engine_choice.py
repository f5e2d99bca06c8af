"""Which engine runs the containers, and what to say when none can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable
from buildpack.support.values import value
from runner.engines import ENGINE_NAMES, engine_factory
from runner.engines.base import ContainerEngine, EngineRequest
from runner.errors import EngineUnavailableError

DEFAULT_ENGINE = "embedded"
ABOUT = {
    "embedded": "bubblewrap sandboxes, no daemon (the default)",
    "docker": "containers of a Docker Engine",
    "host": "plain processes of this machine, without any isolation",
}


class UnknownEngineError(UsageError):
    """There is no such engine."""

    id = "unknown-engine"

    def __init__(self, name: str, origin: str) -> None:
        self.name, self.origin = name, origin
        import difflib

        nearest = difflib.get_close_matches(name.lower(), ENGINE_NAMES, n=1)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        super().__init__(
            f"There is no engine called '{printable(name)}' ({origin})",
            resolution=f"{hint}Engines: {', '.join(ENGINE_NAMES)}",
        )


class NoEngineError(SlugkitError):
    """The default engine cannot run here and no other was asked for."""

    exit_code = ExitCode.UNAVAILABLE
    id = "no-engine"

    def __init__(
        self, embedded: EngineUnavailableError, docker: EngineUnavailableError | None
    ) -> None:
        self.embedded, self.docker = embedded, docker
        parts = [_found(embedded)] + ([_found(docker)] if docker else [])
        offers = [] if docker else ["    --engine docker   a Docker Engine answers here"]
        offers.append("    --engine host     no isolation at all: only for apps you trust")
        super().__init__(
            "No engine can run containers here",
            details="\n\n".join(parts),
            resolution="Do what is said above, or choose another engine yourself:\n\n"
            + "\n".join(offers),
        )


def _found(error: EngineUnavailableError) -> str:
    problems = "\n".join(f"- {problem}" for problem in error.problems)
    return f"{error.brief}:\n{problems}\n" + "\n".join(error.remedies)


@value
class EngineChoice:
    """The engine's name and whether a person asked for it."""

    name: str
    asked: bool


def determine_engine(option: str | None, env: Mapping[str, str]) -> EngineChoice:
    """``--engine``, then SLUG_RUN_ENGINE, then the default. The host engine only when asked."""
    name = option or env.get("SLUG_RUN_ENGINE") or ""
    if not name:
        return EngineChoice(name=DEFAULT_ENGINE, asked=False)
    if name not in ENGINE_NAMES:
        raise UnknownEngineError(name, "--engine" if option else "SLUG_RUN_ENGINE")
    return EngineChoice(name=name, asked=True)


@contextlib.contextmanager
def opened_engine(choice: EngineChoice, request: EngineRequest) -> Iterator[ContainerEngine]:
    """The chosen engine, ready to start containers. Raises NoEngineError, with all problems."""
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(engine_factory(choice.name)(request))
        except EngineUnavailableError as err:
            if choice.asked:
                raise
            raise NoEngineError(err, check_engine("docker", request.env)) from err
        yield engine


def check_engine(name: str, env: Mapping[str, str]) -> EngineUnavailableError | None:
    """Why an engine cannot run here; None when it can."""
    try:
        match name:
            case "embedded":
                from runner.engines.embedded import checks
                from runner.holder import tool_env

                checks.require(tool_env(env))
            case "docker":
                from runner.engines.docker import daemon

                daemon.connect(env).close()
            case _:
                pass  # a process can always be started
    except EngineUnavailableError as err:
        return err
    return None
