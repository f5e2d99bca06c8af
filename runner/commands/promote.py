"""``slug-run promote``."""

from __future__ import annotations

from typing import Any

import click

from buildpack.support.errors import SlugkitError
from runner.app_option import app_option
from runner.deploys.desk import Desk
from runner.deploys.errors import PromotedToItselfError, short
from runner.deploys.options import (
    chosen_app,
    desk_of_command,
    phase_options,
    read_phase_options,
)
from runner.deploys.phase import PhaseOptions
from runner.deploys.promote import promote
from runner.deploys.told import tell_result
from runner.json_option import json_option
from runner.state.values import App


@click.command("promote")
@app_option
@click.option(
    "--to",
    "targets",
    metavar="NAME",
    multiple=True,
    required=True,
    help="The app that gets the slug. May be given again.",
)
@click.option("--force", is_flag=True, help="Make a release of the slug it has already, too.")
@phase_options
@json_option
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Give the slug that one app runs to another app. Config vars stay where they are.

    \b
      slug-run promote --app polls-staging --to polls-production

    The other app's release command runs first, with its config vars. Of several
    apps each is promoted to, whatever becomes of the others; the exit code is that
    of the first that failed.
    """
    with desk_of_command(options) as desk:
        source = chosen_app(desk, options["app_name"])
        targets = [desk.state.app(name) for name in dict.fromkeys(options["targets"])]
        if source in targets:
            raise PromotedToItselfError(source.name)
        phase = read_phase_options(options)
        tried = [_tried(desk, source, each, phase, force=options["force"]) for each in targets]
        failed = next(filter(None, tried), None)
        if failed is not None:
            context.exit(int(failed.exit_code))


def _tried(
    desk: Desk, source: App, target: App, options: PhaseOptions, *, force: bool
) -> SlugkitError | None:
    try:
        _promote(desk, source, target, options, force=force)
    except SlugkitError as err:
        desk.narrator.failure(err)
        return err
    return None


def _promote(desk: Desk, source: App, target: App, options: PhaseOptions, *, force: bool) -> None:
    desk.narrator.app = target.name
    done = promote(desk, source, target, options, force=force)
    assert done.release.slug is not None
    checksum = short(done.release.slug)
    tell_result(
        desk,
        done,
        done=f"Promoted {source.name} ({checksum}) to {target.name}: {done.release.label}",
        same=f"{target.name} {done.release.label} has the slug {checksum} already: "
        "no release was made",
    )
