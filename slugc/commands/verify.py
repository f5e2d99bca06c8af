"""``slugc verify``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import SANDBOX_VARIABLE, current_dir


@click.command(
    "verify",
    context_settings=CONTEXT,
    short_help="Say whether SLUG is whole, signed, and what SRC builds.",
)
@click.argument("slug", metavar="SLUG")
@click.option(
    "--rebuild", metavar="SRC", help="Build SRC once more, with nothing kept, and compare"
)
@click.option(
    "-b",
    "--buildpack",
    "buildpacks",
    metavar="SPEC",
    multiple=True,
    help="Rebuild with these [default: those that the slug names]",
)
@click.option("--env", "env", metavar="K=V", multiple=True, help="A config var for the rebuild")
@click.option("--env-file", metavar="FILE", multiple=True, help="A file of config vars")
@click.option("--stack", metavar="NAME", help="Refuse to rebuild for any other stack")
@click.option(
    "--sandbox",
    type=click.Choice(["embedded", "docker", "none"]),
    envvar=SANDBOX_VARIABLE,
    help="Where the rebuild runs [default: embedded, where it can; env: SLUGC_SANDBOX]",
)
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="A public key that is trusted: a PEM file, env:NAME, - for standard input",
)
@click.option(
    "--require-signature", is_flag=True, help="Refuse to go on without --key, which requires one"
)
@click.option("--signatures", metavar="FILE", help="Where they are [default: SLUG.intoto.jsonl]")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON")
@click.option("-q", "--quiet", is_flag=True, help="Do not show how the rebuild goes")
def command(slug: str, **options: object) -> None:
    """Say whether SLUG is whole, safe to unpack, and what its source builds.

    Every digest is compared and every member judged as if it were unpacked. With --rebuild the
    source is built again, from nothing, and must give the same bytes; the exit code is 1, and
    what is different is shown, when it does not. With --key it must be signed with that key.

    \b
    Examples:
      slugc verify polls.slug
      slugc verify polls.slug --rebuild path/to/polls
      slugc verify polls.slug --key deploy.pub
    """
    from slugc.inspection.verify_command import verify_from_options

    text, same = verify_from_options(slug, options, env=os.environ, cwd=current_dir())
    click.echo(text, nl=False)
    if not same:
        click.get_current_context().exit(1)
