"""``slugc prune``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT


@click.command("prune", context_settings=CONTEXT)
@click.option(
    "--older-than",
    metavar="AGE",
    help="Remove what was not used for that long, as 12h, 30d or 2w"
    " [default: 30d, unless --max-size is given]",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    help="Then remove the least recently used until no more is left, as 500M or 10G",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
def command(older_than: str | None, max_size: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Remove what builds and containers have not used for long.

    Unpacked layers, compressed frames, buildpacks, build caches of apps, and records of slugs that
    are gone: all of it is made again when it is needed. Slugs are never removed (see slugc rm),
    nor is anything that a build or a container uses at the moment.

    \b
    Examples:
      slugc prune
      slugc prune --older-than 1w --max-size 10G --dry-run
    """
    from slugc.privileges import data_dir
    from slugc.upkeep import prune, prune_report
    from slugc.upkeep.units import parse_age, parse_disk_size

    age = None if max_size else prune.DEFAULT_AGE
    request = prune.PruneRequest(
        data_dir=data_dir(os.environ),
        older_than=parse_age(older_than) if older_than is not None else age,
        max_size=parse_disk_size(max_size) if max_size is not None else None,
        dry_run=dry_run,
    )
    pruned = prune.prune(request)
    click.echo(prune_report.as_json(pruned) if as_json else prune_report.as_text(pruned))
