"""``slugc build``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import (
    DEFAULT_TIMEOUT,
    DETECT_TIMEOUT,
    FETCH_TIMEOUT,
    FEWEST_PROCESSES,
    starting_dir,
)


@click.command("build", context_settings=CONTEXT)
@click.argument("source", metavar="[SRC]", default=".")
@click.option(
    "-o",
    "--output",
    metavar="FILE|-",
    help="Where the slug goes, - for standard output [default: ./NAME.slug]",
)
@click.option(
    "-b",
    "--buildpack",
    "buildpacks",
    metavar="SPEC",
    multiple=True,
    help="Directory, git URL#ref, tarball or name; several run in order "
    "[default: what the source names, or the installed one that recognises it]",
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
@click.option(
    "--trust",
    metavar="HOST|DIR",
    multiple=True,
    help="The source may name buildpacks and submodules there, fetched with your keys "
    "[env: SLUGC_TRUST]",
)
@click.option("--stack", metavar="NAME", help="Refuse to build for any other stack")
@click.option(
    "--sandbox",
    type=click.Choice(["embedded", "docker", "none"]),
    envvar="SLUGC_SANDBOX",
    help="Where the buildpack runs [default: embedded, where it can; env: SLUGC_SANDBOX]",
)
@click.option(
    "--timeout",
    type=float,
    default=DEFAULT_TIMEOUT,
    metavar="SECONDS",
    help="Stop a build that takes longer [default: 1500]",
)
@click.option(
    "--detect-timeout",
    type=float,
    default=DETECT_TIMEOUT,
    metavar="SECONDS",
    help="Stop a bin/detect that takes longer [default: 60]",
)
@click.option(
    "--fetch-timeout",
    type=float,
    default=FETCH_TIMEOUT,
    envvar="BUILDPACK_FETCH_TIMEOUT",
    metavar="SECONDS",
    help="How long a source or a buildpack may take to come [default: 90]",
)
@click.option("--max-size", metavar="SIZE", default="500M", help="Of the slug [default: 500M]")
@click.option("--warn-size", metavar="SIZE", default="300M", help="Warn above it [default: 300M]")
@click.option("--strict-secrets", is_flag=True, help="Refuse a source that seems to hold secrets")
@click.option(
    "--network",
    type=click.Choice(["on", "isolated", "off", "host"]),
    default="on",
    help="What the build reaches: the outside but not this machine (isolated; on: the same where\n"
    "it can be had), nothing once all is fetched, or all that this machine does [default: on]",
)
@click.option("--memory", metavar="SIZE", help="Memory of the build [default: 90 % of all]")
@click.option(
    "--cpus",
    type=float,
    metavar="N",
    help="Processors the build may keep busy [default: all]",
)
@click.option(
    "--processes",
    type=click.IntRange(min=FEWEST_PROCESSES),
    metavar="N",
    help="Processes and threads at a time [default: 4096]",
)
@click.option("--disk", metavar="SIZE", help="What it may write [default: 90 % of what is free]")
@click.option(
    "--files",
    type=click.IntRange(min=1),
    metavar="N",
    help="Files and directories it may leave [default: 2000000]",
)
@click.option("--allow-no-processes", is_flag=True, help="Build an app that names no process types")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, the result last")
@click.option(
    "-q", "--quiet", is_flag=True, help="Show only warnings and errors; of JSON, the result"
)
@click.option("--no-color", is_flag=True, help="No colours, also on a terminal [env: NO_COLOR]")
def command(source: str, **options: object) -> None:
    """Build SRC into a slug.

    SRC is a directory, a tarball or its URL, a git URL#ref, a repository's path#ref, or - for a tar
    stream on standard input. It is only read. Progress goes to standard error, the slug's path to
    standard output.

    \b
    Examples:
      slugc build                                     the app in this directory
      slugc build polls -o polls.slug --env DEBUG=0
      slugc build https://host/owner/app#v1.2 -b https://host/owner/buildpack
    """
    from slugc.build_command import build_from_options

    where = starting_dir(source, options)
    build_from_options(source, options, env=os.environ, cwd=where)
