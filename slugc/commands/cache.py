"""``slugc cache``: show, clear and verify."""

from __future__ import annotations

import os
import time

import click

from slugc.commands import CONTEXT


@click.group("cache", context_settings=CONTEXT)
def command() -> None:
    """Show, clear and check what builds keep to be faster next time."""


@command.command("show")
@click.argument("app", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print them as a list of JSON objects")
def show(app: str | None, *, as_json: bool) -> None:
    """Show the build caches of APP, or of all apps: size and last use."""
    from slugc.privileges import data_dir
    from slugc.upkeep import caches

    found = caches.read_caches(data_dir(os.environ), app)
    if as_json:
        click.echo(caches.as_json(found))
    else:
        click.echo(caches.as_table(found, time.time()), nl=False)


@command.command("clear")
@click.argument("app", required=False)
def clear(app: str | None) -> None:
    """Remove the build caches of APP, or of all apps.

    The next build of each is a first one, with what the store has. A cache that a build is using
    is left, which is an error (75).
    """
    from slugc.privileges import data_dir
    from slugc.upkeep.caches import clear_caches
    from slugc.upkeep.units import shown_size

    cleared = clear_caches(data_dir(os.environ), app)
    for cache in cleared:
        click.echo(cache.name)
    size = sum(cache.item.size for cache in cleared)
    click.echo(f"Freed {shown_size(size)}.", err=True)


@command.command("verify")
def verify() -> None:
    """Compare everything in the store with its digest.

    Reads all of it. A damaged store (76) does no harm: builds and starts notice, and prune with
    --older-than 0 empties it.
    """
    from slugc.privileges import data_dir
    from slugc.store import Store
    from slugc.store_check import require_whole_store

    checked = require_whole_store(Store(data_dir(os.environ) / "store"))
    click.echo(f"{checked.frames:,} frames and {checked.layers:,} layers are whole.", err=True)
