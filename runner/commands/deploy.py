"""``slug-run deploy``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from buildpack.support.values import changed
from runner.app_choice import VARIABLES, require_app_name
from runner.app_option import app_option
from runner.deploys.deploy import DeployRequest, deploy, read_deployable
from runner.deploys.desk import Desk
from runner.deploys.errors import short
from runner.deploys.options import (
    chosen_app,
    desk_of_command,
    phase_options,
    read_phase_options,
)
from runner.deploys.told import tell_result
from runner.json_option import json_option
from runner.requests import current_dir
from runner.rollout_options import (
    NotKeptRunningError,
    given_words,
    read_rollout_settings,
    rollout_options,
)
from runner.state.values import App
from slugc.slug import Slug


@click.command("deploy")
@click.argument("slug_file", metavar="SLUG", type=click.Path(path_type=Path))
@app_option
@click.option("--create", is_flag=True, help="Make the app if there is none of that name.")
@click.option(
    "--require-signature",
    "keys",
    metavar="KEY",
    multiple=True,
    help="Refuse a slug that this public key, or one of several, has not signed.",
)
@click.option("--force", is_flag=True, help="Make a release of the slug the app has already.")
@rollout_options
@phase_options
@json_option
def command(**options: Any) -> None:
    """Make SLUG what an app runs.

    \b
      slug-run deploy polls.slug
      slug-run deploy polls.slug --app polls --create
      slug-run deploy polls.slug --require-signature deploy.pub

    The slug is copied and verified. If it has a process type called release, that
    command runs first, with the app's config vars; when it fails nothing changes.

    Where the app is kept running, its containers are replaced without losing a
    request. If one of the new ones does not come up, the release before goes on.
    """
    with desk_of_command(options) as desk:
        request = DeployRequest(
            slug_file=current_dir() / options["slug_file"],
            options=read_phase_options(options),
            keys=options["keys"],
            force=options["force"],
        )
        slug = read_deployable(desk, request)
        app = _app(desk, options["app_name"], slug, create=options["create"])
        request = changed(request, settings=_settings(desk, app, options))
        deployed = deploy(desk, app, slug, request)
        checksum = short(slug.metadata.checksum)
        tell_result(
            desk,
            deployed,
            done=f"Deployed {checksum} to {app.name}: {deployed.release.label}",
            same=f"{app.name} {deployed.release.label} has the slug {checksum} already: "
            "no release was made",
        )


def _settings(desk: Desk, app: App, options: dict[str, Any]) -> Mapping[str, object]:
    """How the app is to be kept running, as far as it is said here."""
    words = given_words(options)
    known = desk.state.supervision(app)
    if words and known is None:
        raise NotKeptRunningError(app.name, words)
    return read_rollout_settings(options, known or {})


def _app(desk: Desk, option: str | None, slug: Slug, *, create: bool) -> App:
    """The app that is meant; with ``create`` one that is made now, if there is none."""
    apps = {app.name for app in desk.state.apps()}
    named = option or next((os.environ[name] for name in VARIABLES if os.environ.get(name)), None)
    name = named or (slug.metadata.name if create and not apps else None)
    if create and name is not None and name not in apps:
        desk.state.create_app(require_app_name(name))
        desk.narrator.step("app-created", f"Made the app {name}")
    return chosen_app(desk, name)
