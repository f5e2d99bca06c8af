"""Options that the commands about releases share, and what is made of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click

from buildpack.support.values import changed
from runner.amounts import parse_size
from runner.app_choice import determine_app
from runner.deploys.desk import Desk, opened_desk
from runner.deploys.narrator import Narrator
from runner.deploys.phase import TIMEOUT, PhaseOptions
from runner.engine_choice import determine_engine
from runner.engines import ENGINE_NAMES
from runner.engines.base import Limits
from runner.requests import DEFAULTS
from runner.state.values import App

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def phase_options(command: Decorated) -> Decorated:
    """How the release command is run."""
    options = (
        click.option("--release-timeout", type=click.FloatRange(min=0.1, max=86400),
                     default=TIMEOUT, show_default=True, metavar="SECONDS",
                     help="How long the release command may run."),
        click.option("--engine", metavar="NAME",
                     help=f"Runs the release command: {', '.join(ENGINE_NAMES)}. Default: "
                     "$SLUG_RUN_ENGINE, else embedded."),
        click.option("--memory", default=DEFAULTS["memory"], show_default=True, metavar="SIZE",
                     help="Memory of the release command, or none."),
        click.option("-q", "--quiet", is_flag=True, help="Print the result only."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def read_phase_options(options: Mapping[str, Any]) -> PhaseOptions:
    """What ``phase_options`` were given."""
    return PhaseOptions(
        engine=determine_engine(options["engine"], os.environ),
        limits=changed(Limits(), memory=parse_size(options["memory"])),
        timeout=options["release_timeout"],
    )


@contextlib.contextmanager
def desk_of_command(options: Mapping[str, Any]) -> Iterator[Desk]:
    """The desk, and errors as JSON where that was asked for."""
    narrator = Narrator(as_json=options["as_json"], quiet=options.get("quiet", False))
    codes: list[int] = []
    with narrator.telling_errors(codes), opened_desk(os.environ, narrator) as desk:
        yield desk
    if codes:
        click.get_current_context().exit(codes[0])


def chosen_app(desk: Desk, option: str | None) -> App:
    """The app that a command is about; what is said from now on is of it."""
    app = determine_app(desk.state, option, desk.env)
    desk.narrator.app = app.name
    return app
