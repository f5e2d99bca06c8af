"""``slugc import``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from slugc.commands import CONTEXT


@click.command("import", context_settings=CONTEXT)
@click.argument("source", metavar="SOURCE")
@click.option("-o", "--output", metavar="FILE", help="Where the slug goes [default: ./NAME.slug]")
@click.option("-n", "--name", metavar="APP", help="The app's name [default: as it says, or none]")
@click.option("--stack", metavar="NAME", help="What it was built for, such as debian-12")
@click.option(
    "--format",
    "slug_format",
    type=click.Choice(["slug", "tgz"]),
    default="slug",
    help="zstd frames, or gzip for everything older [default: slug]",
)
@click.option("--force", is_flag=True, help="Replace a file in the output's place")
@click.option("--plain-http", is_flag=True, help="Talk to a registry without TLS")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
@click.option("-q", "--quiet", is_flag=True, help="Show warnings and errors only")
def command(source: str, **options: object) -> None:
    """Make a slug of what was built elsewhere, and print its path.

    SOURCE is a Heroku or herokuish slug (a file, a URL, - for standard input, an unpacked
    directory), or an image that slugc export made (docker-archive:FILE, oci:DIR,
    oci-archive:FILE, docker://HOST/NAME:TAG). It is unpacked as a user without rights.

    \b
    Examples:
      slugc import slug.tgz --stack heroku-24 -o polls.slug
      slugc import oci:polls
    """
    from slugc.transfer.command import import_from_options

    click.echo(import_from_options(source, options, env=os.environ, cwd=Path.cwd()))
