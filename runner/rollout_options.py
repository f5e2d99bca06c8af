"""Options that say how containers are replaced: for ``start --detach`` and ``deploy``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from buildpack.support.errors import UsageError
from runner.requests import DEFAULTS

Decorated = TypeVar("Decorated", bound=Callable[..., object])
STRATEGIES = ("rolling", "all-at-once", "one-by-one")
OPTIONS = ("health", "strategy", "overlap", "no_overlap", "drain_timeout")


class NotKeptRunningError(UsageError):
    """Options about what runs, for an app of which nothing does."""

    id = "not-kept-running"

    def __init__(self, app: str, options: tuple[str, ...]) -> None:
        self.app, self.options = app, options
        super().__init__(
            f"{', '.join(options)} cannot be used: {app} is not running",
            details="They are kept for as long as the app is kept running.",
            resolution=f"Give them when you start it:\n\n    slug-run start -d --app {app}"
            f" {options[0]} ...",
        )


def rollout_options(command: Decorated) -> Decorated:
    """How containers are replaced by others."""
    options = (
        click.option("--health", metavar="PATH", default=DEFAULTS["health"],
                     help="What web containers have to answer with 2xx or 3xx before they get "
                     "requests; 'port': an open port is enough.  [default: app.json, else port]"),
        click.option("--strategy", type=click.Choice(STRATEGIES), default=DEFAULTS["strategy"],
                     help="How a new release takes over.  [default: rolling]"),
        click.option("--overlap", multiple=True, metavar="TYPE",
                     help="Old and new containers of TYPE may run at the same time, as those of "
                     "web do."),
        click.option("--no-overlap", multiple=True, metavar="TYPE",
                     help="Stop containers of TYPE before new ones start, as those of all types "
                     "but web."),
        click.option("--drain-timeout", type=click.FloatRange(min=0, max=86400),
                     default=DEFAULTS["drain_timeout"], metavar="SECONDS",
                     help="How long requests under way may take when their container is "
                     "replaced.  [default: 30]"),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def given_words(options: Mapping[str, Any]) -> tuple[str, ...]:
    """``--health`` and the like, as far as they were given."""
    given = (name for name in OPTIONS if options[name] != DEFAULTS[name])
    return tuple(f"--{name.replace('_', '-')}" for name in given)


def read_rollout_settings(
    options: Mapping[str, Any], known: Mapping[str, object]
) -> Mapping[str, object]:
    """The settings that were given, to be put over ``known``. Raises HealthPathError."""
    given = {
        name: options[name]
        for name in ("health", "strategy", "drain_timeout")
        if options[name] is not None
    }
    if "health" in given:
        from runner.health import parse_health

        parse_health(str(given["health"]))
    overlap = {
        **dict.fromkeys(options["overlap"], True),
        **dict.fromkeys(options["no_overlap"], False),
    }
    if overlap:
        before = known.get("overlap")
        given["overlap"] = {**(before if isinstance(before, Mapping) else {}), **overlap}
    return given
