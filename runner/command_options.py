"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from runner.engines import ENGINE_NAMES
from runner.requests import DEFAULTS

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def one_off_options(command: Decorated) -> Decorated:
    """What every command that runs a one-off takes."""
    options = (
        click.option("-q", "--quiet", is_flag=True, help="Say nothing on standard error."),
        click.option("--tty/--no-tty", default=None,
                     help="A terminal for the command, or pipes. Default: as here."),
        click.option("--time-limit", metavar="TIME",
                     help="End it after 90s, 10m, 2h. Default: none, or 1d if detached."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def run_words(
    options: Mapping[str, Any], words: tuple[str, ...], *, otherwise: str | None = None
) -> int:
    """Run one command in a fresh container: ``one_off_request`` has ``otherwise``."""
    from runner.requests import current_dir, one_off_request
    from runner.session import run_one_off

    given = {**options, "words": words}
    return run_one_off(one_off_request(given, os.environ, current_dir(), otherwise=otherwise))


def shared_options(command: Decorated) -> Decorated:
    """What every command that starts containers takes."""
    options = (
        click.option("--slug", "slug_file", type=click.Path(path_type=Path), metavar="FILE",
                     help="The slug to run. Default: the only *.slug file here."),
        click.option("-a", "--app", metavar="NAME",
                     help="Run what was deployed to this app. Default: $SLUG_RUN_APP; of one-offs,"
                     " where no slug is here, the only one."),
        click.option("--engine", metavar="NAME",
                     help=f"{', '.join(ENGINE_NAMES)}. Default: $SLUG_RUN_ENGINE, else embedded."),
        click.option("-e", "--env", "assignments", multiple=True, metavar="NAME=VALUE",
                     help="Set a config var. May be given again."),
        click.option("--env-file", "env_files", multiple=True, metavar="FILE",
                     type=click.Path(path_type=Path),
                     help="Set the config vars in FILE; --env beats it."),
        click.option("-s", "--size", metavar="NAME",
                     help="standard-1x, standard-2x, performance-m ...; --memory, --pids beat it."),
        click.option("--memory", default=DEFAULTS["memory"], show_default=True, metavar="SIZE",
                     help="Memory of one container, or none."),
        click.option("--cpus", type=click.FloatRange(min=0.01), metavar="N",
                     help="Processors' worth of time for one container."),
        click.option("--pids", type=click.IntRange(min=8), default=DEFAULTS["pids"],
                     show_default=True, metavar="N",
                     help="Processes and threads in one container."),
        click.option("--disk", metavar="SIZE",
                     help="What one container may write under /app, kept in memory then."),
        click.option("--stop-timeout", type=click.FloatRange(min=0, max=86400),
                     default=DEFAULTS["stop_timeout"], show_default=True, metavar="SECONDS",
                     help="From SIGTERM to SIGKILL."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command
