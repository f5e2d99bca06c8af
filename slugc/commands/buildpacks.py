"""``slugc buildpacks``: install, list, remove, lock and test."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import current_dir

_SANDBOX = click.option(
    "--sandbox",
    type=click.Choice(["embedded", "docker", "none"]),
    envvar="SLUGC_SANDBOX",
    help="Where its programs run [default: embedded, where it can; env: SLUGC_SANDBOX]",
)
_QUIET = click.option("-q", "--quiet", is_flag=True, help="Show warnings and errors only")


@click.group("buildpacks", context_settings=CONTEXT)
def command() -> None:
    """Install, lock and test buildpacks.

    A build for which nobody names a buildpack asks the installed ones in the order of the list,
    our own last; the first whose bin/detect says yes builds the app.
    """


@command.command(
    "add",
    context_settings=CONTEXT,
    short_help="Install a buildpack, or bring an installed one up to date.",
)
@click.argument("spec", metavar="SPEC")
@click.option("--name", metavar="NAME", help="What to call it, as in org/name [default: SPEC's]")
@click.option(
    "--position",
    type=click.IntRange(min=1),
    metavar="N",
    help="Where in the order it is asked [default: after the others]",
)
def add(spec: str, name: str | None, position: int | None) -> None:
    """Fetch a buildpack and install it, or bring an installed one up to date.

    SPEC is a directory, a git URL#ref, a tarball or a name like heroku/python.

    \b
    Examples:
      slugc buildpacks add https://host/owner/buildpack#v1.2
      slugc buildpacks add ./my-buildpack --name me/mine --position 1
    """
    from slugc.buildpacks import command as buildpack_commands

    cwd = current_dir()
    click.echo(buildpack_commands.add(spec, name=name, position=position, env=os.environ, cwd=cwd))


@command.command(
    "list",
    context_settings=CONTEXT,
    short_help="Print the installed buildpacks, in the order they are asked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print them as a list of JSON objects")
def list_installed(*, as_json: bool) -> None:
    """Print the installed buildpacks, in the order in which they are asked."""
    from slugc.buildpacks import command as buildpack_commands

    click.echo(buildpack_commands.listing(os.environ, as_json=as_json))


@command.command("remove", context_settings=CONTEXT)
@click.argument("name", metavar="NAME")
def remove(name: str) -> None:
    """Remove an installed buildpack. Slugs that were built with it go on as they are."""
    from slugc.buildpacks import command as buildpack_commands

    buildpack_commands.remove(name, env=os.environ)


@command.command(
    "lock",
    context_settings=CONTEXT,
    short_help="Write buildpacks.lock: what SRC is built with, by content.",
)
@click.argument("source", metavar="[SRC]", default=".")
@click.option("-b", "--buildpack", "buildpacks", metavar="SPEC", multiple=True, help="Lock these")
@click.option("--update", is_flag=True, help="Replace a lock that says otherwise")
@_SANDBOX
@_QUIET
def lock(source: str, **options: object) -> None:
    """Write buildpacks.lock in SRC: what it is built with, by commit and content.

    From then on a build uses exactly these or none. With a lock already there, says whether it
    still holds.

    \b
    Examples:
      slugc buildpacks lock
      slugc buildpacks lock path/to/app --update
    """
    from slugc.buildpacks import command as buildpack_commands

    click.echo(buildpack_commands.lock(source, options, env=os.environ, cwd=current_dir()))


@command.command(
    "test",
    context_settings=CONTEXT,
    short_help="Check a buildpack against the API; with APP, build that.",
)
@click.argument("spec", metavar="SPEC")
@click.argument("app", metavar="[APP]", required=False)
@_SANDBOX
@_QUIET
def test(spec: str, app: str | None, **options: object) -> None:
    """Check a buildpack against the buildpack API; with APP, build that with it and keep nothing.

    \b
    Examples:
      slugc buildpacks test ./my-buildpack
      slugc buildpacks test ./my-buildpack path/to/app
    """
    from slugc.buildpacks import command as buildpack_commands

    cwd = current_dir()
    click.echo(buildpack_commands.trial(spec, app, options, env=os.environ, cwd=cwd))
