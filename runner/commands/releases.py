"""``slug-run releases``, with info, output, retry and prune."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from runner.app_lock import app_dir
from runner.app_option import app_option
from runner.deploys import listing
from runner.deploys.desk import Desk, settle_if_nobody_works
from runner.deploys.errors import NoReleaseOutputError
from runner.deploys.freeing import free_slugs
from runner.deploys.options import (
    chosen_app,
    desk_of_command,
    phase_options,
    read_phase_options,
)
from runner.deploys.release_output import output_file
from runner.deploys.rollback import parse_version, retry
from runner.deploys.tables import shown_size
from runner.deploys.told import tell_result
from runner.json_option import json_option
from runner.logs import clean
from runner.state.rollouts import Rollout, RolloutState
from runner.state.values import App, ReleaseRecord


@click.group("releases", invoke_without_command=True)
@app_option
@click.option(
    "-n",
    "--num",
    type=click.IntRange(min=1),
    default=15,
    show_default=True,
    metavar="N",
    help="How many to show, newest first.",
)
@json_option
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """List an app's releases, and more about one of them.

    \b
      slug-run releases
      slug-run releases info v7
      slug-run releases output         what the newest one's command printed
      slug-run releases retry          what failed last, once more
      slug-run releases prune          free slugs that no release needs
    """  # fmt: skip
    context.obj = options
    if context.invoked_subcommand is not None:
        return
    with desk_of_command(options) as desk:
        app = _looked_at(desk, options["app_name"])
        releases = desk.state.releases(app, limit=options["num"])
        found = listing.views(
            app, releases, desk.state.current(app), desk.slugs, _rollouts(desk, app)
        )
        if options["as_json"]:
            click.echo(json.dumps(listing.as_documents(found), indent=2))
        else:
            click.echo(listing.as_text(app, found), nl=False)


@command.command()
@click.argument("release", metavar="[vN]", required=False)
@app_option
@json_option
@click.pass_context
def info(context: click.Context, /, release: str | None, **options: Any) -> None:
    """Show all that is known of a release, the newest if none is named.

    Of config vars the names only.
    """
    with desk_of_command(_merged(context, options)) as desk:
        app = _looked_at(desk, _app_name(context, options))
        record = _release(desk, app, release)
        (view,) = listing.views(
            app, [record], desk.state.current(app), desk.slugs, _rollouts(desk, app)
        )
        slug = path = None
        if view.has_slug and record.slug is not None:
            slug = desk.slugs.read(record.slug, of=f"{app.name} {record.label}")
            path = desk.slugs.path(record.slug)
        if _merged(context, options)["as_json"]:
            click.echo(json.dumps(listing.info_document(view, slug), indent=2))
        else:
            click.echo(listing.info_text(view, slug, path), nl=False)


@command.command()
@click.argument("release", metavar="[vN]", required=False)
@app_option
@click.pass_context
def output(context: click.Context, /, release: str | None, **options: Any) -> None:
    """Show what the command of a release, else of the newest, has printed.

    Into a pipe it goes byte for byte.
    """
    with desk_of_command({**options, "as_json": False}) as desk:
        app = _looked_at(desk, _app_name(context, options))
        record = _release(desk, app, release)
        path = output_file(app_dir(desk.data_dir, app), record.version)
        if not path.is_file():
            raise NoReleaseOutputError(app.name, record.label)
        content = path.read_bytes()
        if sys.stdout.isatty():
            text = content.decode("utf-8", "replace")
            content = "".join(f"{clean(x, color=True)}\n" for x in text.splitlines()).encode()
        sys.stdout.buffer.write(content)
        sys.stdout.flush()


@command.command("retry")
@app_option
@phase_options
@json_option
@click.pass_context
def try_again(context: click.Context, /, **options: Any) -> None:
    """Try the release that failed last once more.

    With the config vars it had, or those that were set since.
    """
    with desk_of_command(_merged(context, options)) as desk:
        app = chosen_app(desk, _app_name(context, options))
        done = retry(desk, app, read_phase_options(options))
        said = f"{done.release.description} done: {app.name} {done.release.label}"
        tell_result(desk, done, done=said, same=said)


@command.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of each app keep the slugs of its newest N releases that ran, and no others. "
    "Default: keep the slugs of all releases.",
)
@json_option
@click.pass_context
def prune(context: click.Context, /, **options: Any) -> None:
    """Free the slugs that no release of any app needs.

    What an app runs, and what may run in a moment, is never freed. A release whose
    slug was freed stays in the list, and cannot be rolled back to.
    """  # fmt: skip
    with desk_of_command(_merged(context, options)) as desk:
        freed = free_slugs(desk, options["keep"])
        size = sum(each.size for each in freed)
        if _merged(context, options)["as_json"]:
            slugs = [{"slug": each.checksum, "size": each.size} for each in freed]
            click.echo(json.dumps({"freed": size, "slugs": slugs}, indent=2))
        else:
            count = f"{len(freed)} slug{'' if len(freed) == 1 else 's'}"
            click.echo(f"Freed {count}, {shown_size(size)}" if freed else "Nothing to free")


def _rollouts(desk: Desk, app: App) -> Mapping[int, Rollout]:
    return RolloutState(desk.state, app).all()


def _looked_at(desk: Desk, name: str | None) -> App:
    app = chosen_app(desk, name)
    settle_if_nobody_works(desk, app)
    return app


def _release(desk: Desk, app: App, word: str | None) -> ReleaseRecord:
    """The one that is named, else the newest."""
    newest = None if word else next(iter(desk.state.releases(app, limit=1)), None)
    return newest or desk.state.release(app, parse_version(word or "v1"))


def _app_name(context: click.Context, options: dict[str, Any]) -> str | None:
    """Given behind the sub-command, or before it."""
    before: dict[str, Any] = context.obj
    name: str | None = options["app_name"] or before["app_name"]
    return name


def _merged(context: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "as_json": options["as_json"] or context.obj["as_json"]}
