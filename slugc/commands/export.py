"""``slugc export``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from slugc.commands import CONTEXT


@click.command(
    "export",
    context_settings=CONTEXT,
    short_help="Write SLUG as a Heroku tarball, an image, a directory.",
)
@click.argument("slug", metavar="SLUG")
@click.argument("target", metavar="TARGET")
@click.option(
    "--stack-image",
    metavar="IMAGE",
    envvar="SLUGC_STACK_IMAGE",
    help="What an image stands on: an archive, oci:DIR or docker://... [env: SLUGC_STACK_IMAGE]",
)
@click.option("--tag", metavar="NAME:TAG", help="The image's name [default: the app's, latest]")
@click.option(
    "--compression",
    type=click.Choice(["zstd", "gzip", "none"]),
    help="Of an image's layers [default: zstd; for docker-archive none]",
)
@click.option(
    "--attach", is_flag=True, help="Give an image in a registry its SBOM, and SLUG.intoto.jsonl"
)
@click.option("--force", is_flag=True, help="Replace what is in the target's place")
@click.option("--plain-http", is_flag=True, help="Talk to a registry without TLS")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors")
def command(slug: str, target: str, **options: object) -> None:
    """Write SLUG as something else: a Heroku tarball, an image, a directory.

    TARGET is FILE.tgz, FILE.tar, DIR/, docker-archive:FILE, oci:DIR, oci-archive:FILE,
    docker://HOST/NAME:TAG or dockerfile:DIR; - is Heroku's tarball on standard output. Nothing
    that is there is overwritten. No container engine is needed.

    \b
    Examples:
      slugc export polls.slug polls.tgz
      slugc export polls.slug docker-archive:- --stack-image stack.tar | docker load
      slugc export polls.slug docker://registry.example.com/polls:v1 --stack-image oci:stack
    """
    from slugc.transfer.command import export_from_options

    text = export_from_options(slug, target, options, env=os.environ, cwd=Path.cwd())
    if text:
        click.echo(text)
