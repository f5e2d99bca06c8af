"""``slugc sign``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from slugc.commands import CONTEXT


@click.command(
    "sign",
    context_settings=CONTEXT,
    short_help="Sign where SLUG came from and what is in it.",
)
@click.argument("slug", metavar="[SLUG]", required=False)
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="A private key: a PEM file, env:NAME for a variable, - for standard input",
)
@click.option("-o", "--output", metavar="FILE", help="Where it goes [default: SLUG.intoto.jsonl]")
@click.option("--builder-id", metavar="URI", help="Who built it [default: urn:slugkit:slugc]")
@click.option(
    "--times", is_flag=True, help="Say when and in which sandbox, as this machine remembers"
)
@click.option("--new-key", metavar="NAME", help="Make NAME.key and NAME.pub, and sign nothing")
@click.option("--passphrase", is_flag=True, help="Protect the new key with a passphrase")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
def command(slug: str | None, **options: object) -> None:
    """Sign SLUG: say where it came from and what is in it, under an Ed25519 key.

    The statements (SLSA provenance and a CycloneDX SBOM) name the sha256 of the whole file. They
    are written beside it; signing with another key adds to them. Nothing is sent anywhere.

    The passphrase of an encrypted key is taken from SLUGC_KEY_PASSPHRASE, or asked for.

    \b
    Examples:
      slugc sign --new-key deploy                     deploy.key and deploy.pub
      slugc sign polls.slug --key deploy.key
      slugc verify polls.slug --key deploy.pub
    """
    from slugc.supply_chain.sign_command import run_sign

    path = None if slug is None else Path(slug)
    click.echo(run_sign(path, options, env=os.environ))
