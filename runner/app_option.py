"""What commands about an app have in common: ``--app``, and the state it is looked up in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import click

from buildpack.support.values import value
from runner.app_choice import determine_app
from runner.state.state import State, opened_state
from runner.state.values import App
from runner.who import determine_who
from slugc.privileges import data_dir

Decorated = TypeVar("Decorated", bound=Callable[..., object])


@value
class OpenedApp:
    """The app a command is about, and what it takes to change it."""

    app: App
    state: State
    data_dir: Path
    who: str


def app_option(command: Decorated) -> Decorated:
    """``-a, --app NAME``, handed over as ``app_name``; None when it is not given."""
    return click.option(
        "-a",
        "--app",
        "app_name",
        metavar="NAME",
        help="The app. Default: $SLUG_RUN_APP, else the only one.",
    )(command)


@contextlib.contextmanager
def opened_app(app_name: str | None, env: Mapping[str, str] = os.environ) -> Iterator[OpenedApp]:
    """The app that ``--app`` and the environment mean. Raises what ``determine_app`` does."""
    directory = data_dir(env)
    with opened_state(directory) as state:
        app = determine_app(state, app_name, env)
        yield OpenedApp(app=app, state=state, data_dir=directory, who=determine_who(env))
