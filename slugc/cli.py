"""The commands and options of ``slugc``, as click reads and explains them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from buildpack.support.errors import UsageError
from slugc.command_line import LineEndedError
from slugc.plain_build import DEFAULT_TIMEOUT, current_dir

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 90}


def run_click(argv: Sequence[str]) -> None:
    """Run one command; what click objects to becomes an error of ours."""
    try:
        slugc.main(args=list(argv), prog_name="slugc", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as err:
        click.echo(err.format_message())
    except click.ClickException as err:
        raise UsageError(err.format_message(), resolution="See: slugc --help") from err
    except click.Abort as err:
        raise LineEndedError from err


@click.group(context_settings=CONTEXT, no_args_is_help=True)
@click.version_option(package_name="slugkit", message="slugc %(version)s")
def slugc() -> None:
    """Turn a source directory into a slug: one file that runs anywhere.

    \b
    Examples:
      slugc build path/to/app
      slugc build . -o app.slug && slug-run web --slug app.slug
      slugc inspect app.slug
    """


@slugc.command(context_settings=CONTEXT)
@click.argument("source", metavar="[SRC]", default=".")
@click.option("-o", "--output", metavar="FILE", help="Where the slug goes [default: ./NAME.slug]")
@click.option(
    "-b",
    "--buildpack",
    "buildpacks",
    metavar="SPEC",
    multiple=True,
    help="Directory, git URL#ref or tarball; several run in order [default: our own, for Python]",
)
@click.option("-n", "--name", metavar="APP", help="The app's name [default: SRC's]")
@click.option(
    "--format",
    "slug_format",
    type=click.Choice(["slug", "tgz"]),
    default="slug",
    help="zstd frames, or gzip for everything older [default: slug]",
)
@click.option("--cache-dir", metavar="DIR", help="Where the build cache is kept")
@click.option("--no-cache", is_flag=True, help="Begin with an empty build cache")
@click.option("--env", "env", metavar="K=V", multiple=True, help="A config var for the build")
@click.option("--env-file", metavar="FILE", multiple=True, help="A file of config vars")
@click.option("--stack", metavar="NAME", help="Refuse to build for any other stack")
@click.option(
    "--sandbox",
    type=click.Choice(["embedded", "docker", "none"]),
    envvar="SLUGC_SANDBOX",
    help="Where the buildpack runs [default: embedded, where it can; env: SLUGC_SANDBOX]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT,
    metavar="SECONDS",
    help="Stop a build that takes longer [default: 1500]",
)
@click.option("--allow-no-processes", is_flag=True, help="Build an app that names no process types")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
@click.option("-q", "--quiet", is_flag=True, help="Show warnings and errors only")
@click.option("--no-color", is_flag=True, help="No colours, also on a terminal [env: NO_COLOR]")
def build(source: str, **options: object) -> None:
    """Build SRC into a slug.

    SRC is a directory, a tarball, a git URL#ref, or - for a tar stream on standard input. It is
    only read. Progress goes to standard error, the slug's path to standard output.

    \b
    Examples:
      slugc build                                     the app in this directory
      slugc build polls -o polls.slug --env DEBUG=0
      slugc build https://host/owner/app#v1.2 -b https://host/owner/buildpack
    """
    from slugc.build_command import build_from_options

    click.echo(build_from_options(source, options, env=os.environ, cwd=current_dir()))


@slugc.command(context_settings=CONTEXT)
@click.argument("slug", metavar="SLUG")
@click.option("--json", "as_json", is_flag=True, help="Print everything the slug says about itself")
@click.option("--procfile", is_flag=True, help="Print the process types as a Procfile")
def inspect(slug: str, *, as_json: bool, procfile: bool) -> None:
    """Show what is in SLUG without unpacking it.

    \b
    Examples:
      slugc inspect polls.slug
      slugc inspect polls.slug --json | jq .process_types
    """
    from slugc import inspect as inspection
    from slugc.slug import read_slug

    found = read_slug(Path(slug))
    if as_json:
        click.echo(inspection.as_json(found))
    elif procfile:
        click.echo(inspection.as_procfile(found), nl=False)
    else:
        click.echo(inspection.summary(found), nl=False)


@slugc.group(context_settings=CONTEXT)
def stack() -> None:
    """Make the stack images that the docker engine runs slugs on."""


@stack.command("build", context_settings=CONTEXT)
@click.option("--tag", default="slugkit-stack:debian-12", help="The image [default: debian-12's]")
@click.option(
    "--method",
    type=click.Choice(["auto", "debian", "mmdebstrap"]),
    default="auto",
    help="From a registry's base image, or from packages [default: what can be reached]",
)
def build_stack(tag: str, method: str) -> None:
    """Make a stack image and print its id."""
    from slugc.progress import make_progress
    from slugc.stack_image import build_stack_image

    with make_progress(os.environ, quiet=False, color=None) as progress:
        progress.step(f"Building the stack image {tag}")
        image = build_stack_image(tag, method, progress.line, env=os.environ)
    click.echo(image)


@stack.command("list", context_settings=CONTEXT)
def list_stacks() -> None:
    """Print the stack images this machine has."""
    from slugc.stack_image import list_stack_images

    for tag in list_stack_images(os.environ):
        click.echo(tag)
