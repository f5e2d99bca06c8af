"""``slugc rebase``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from slugc.commands import CONTEXT


@click.command(
    "rebase",
    context_settings=CONTEXT,
    short_help="Put a slug's image on a new stack image, without building.",
)
@click.argument("image", metavar="IMAGE")
@click.argument("target", metavar="TARGET")
@click.option(
    "--stack-image",
    metavar="IMAGE",
    envvar="SLUGC_STACK_IMAGE",
    help="The new stack image, in the same forms as for export [env: SLUGC_STACK_IMAGE]",
)
@click.option("--tag", metavar="NAME:TAG", help="The image's name [default: the app's, latest]")
@click.option("--force", is_flag=True, help="Replace what is in the target's place")
@click.option("--plain-http", is_flag=True, help="Talk to a registry without TLS")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors")
def command(image: str, target: str, **options: object) -> None:
    """Put the image of a slug on a new stack image of the same stack, without building.

    IMAGE and TARGET are docker-archive:FILE, oci:DIR, oci-archive:FILE or docker://HOST/NAME:TAG.
    The app's layers stay as they are, byte for byte; in a registry they are not even fetched.

    \b
    Examples:
      slugc rebase oci:polls oci:polls-patched --stack-image oci:stack
      slugc rebase docker://host/polls:v1 docker://host/polls:v1 --stack-image docker://host/stack
    """
    from slugc.transfer.command import rebase_from_options

    text = rebase_from_options(image, target, options, env=os.environ, cwd=Path.cwd())
    if text:
        click.echo(text)
