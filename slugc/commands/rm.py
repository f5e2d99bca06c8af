"""``slugc rm``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import current_dir


@click.command("rm", context_settings=CONTEXT)
@click.argument("slugs", metavar="NAME|CHECKSUM|PATH...", nargs=-1, required=True)
def command(slugs: tuple[str, ...]) -> None:
    """Remove slugs: the files, their signatures and their records.

    A slug is named by its app, by the beginning of its checksum (6 digits or more) or by its path.
    All of them are removed, or none. Containers that run from one go on.

    \b
    Examples:
      slugc rm polls
      slugc rm 9f2c01 ./old.slug
    """
    from buildpack.support.errors import printable_path
    from slugc.privileges import data_dir
    from slugc.upkeep.catalog import remove_slugs

    for removed in remove_slugs(data_dir(os.environ), slugs, cwd=current_dir()):
        if removed.file_kept:
            said = "Not this slug any more, so only its record was removed:"
            click.echo(f"{said} {printable_path(removed.archive)}", err=True)
        else:
            click.echo(printable_path(removed.archive))
