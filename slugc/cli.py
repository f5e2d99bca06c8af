"""The command line of ``slugc``: arguments in, one request, one call, one result, an exit code."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable_path
from buildpack.support.output import Output, wants_color
from slugc.buildpack_errors import PhaseFailedError

REPORT_BUGS = "This is a bug in Slugkit. Please report it with the text above."
DEFAULT_TIMEOUT = 1500.0  # seconds: Heroku's 25 minutes

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 90}


# What the machine refuses, not we: told in its words, and with the code of its class.
MACHINE_ERRORS = {
    errno.ENOSPC: ExitCode.CANNOT_CREATE,
    errno.EDQUOT: ExitCode.CANNOT_CREATE,
    errno.EROFS: ExitCode.CANNOT_CREATE,
    errno.EIO: ExitCode.IO,
    errno.EMFILE: ExitCode.TRY_AGAIN,
    errno.ENFILE: ExitCode.TRY_AGAIN,
    errno.ENOMEM: ExitCode.TRY_AGAIN,
    errno.EAGAIN: ExitCode.TRY_AGAIN,
}


class MachineError(SlugkitError):
    """The disk is full, a limit of the system is reached, a device fails."""

    id = "machine"

    def __init__(self, cause: OSError) -> None:
        self.cause = cause
        where = f" ({printable_path(cause.filename)})" if cause.filename else ""
        super().__init__(
            f"The build could not go on: {cause.strerror}{where}",
            resolution="Nothing was written. Make room or lift the limit, then build again.",
        )


class TerminatedError(BaseException):
    """SIGTERM or SIGHUP, taken like Ctrl-C: what runs is stopped, nothing half-written stays."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def run(argv: Sequence[str]) -> int:
    """Run one command; every error ends here, as words and an exit code."""
    os.umask(0o022)  # the same files whatever the caller's
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    as_json = "--json" in argv
    try:
        slugc.main(args=list(argv), prog_name="slugc", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as err:
        click.echo(err.format_message())
    except click.ClickException as err:
        usage = UsageError(err.format_message(), resolution="See: slugc --help")
        return _fail(usage, as_json=as_json)
    except SlugkitError as err:
        return _fail(err, as_json=as_json)
    except (KeyboardInterrupt, click.Abort, TerminatedError, BrokenPipeError) as err:
        return _stopped(err)
    except Exception as err:
        if isinstance(err, OSError) and err.errno in MACHINE_ERRORS:
            return _fail(MachineError(err), as_json=as_json, code=MACHINE_ERRORS[err.errno])
        sys.stderr.write(f"Internal error\n\n{traceback.format_exc()}\n{REPORT_BUGS}\n")
        return ExitCode.BUG
    return ExitCode.OK


def _current_dir() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as err:
        raise UsageError(
            "The current directory is gone", resolution="Change to one that exists: cd ~"
        ) from err


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise TerminatedError(number)


def _stopped(err: BaseException) -> int:
    """The exit code of a program that a signal ended."""
    if isinstance(err, BrokenPipeError):
        # Whoever read our output has gone; Python must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    number = err.number if isinstance(err, TerminatedError) else signal.SIGINT
    # On Ctrl-C click has ended the line already, which shows the ^C.
    before = "" if isinstance(err, click.Abort) else "\n"
    sys.stderr.write(f"{before}Stopped. Nothing was written.\n")
    return 128 + number


def _fail(error: SlugkitError, *, as_json: bool, code: int | None = None) -> int:
    code = int(error.exit_code) if code is None else int(code)
    if as_json:
        document = {"code": code, "id": error.id, "message": error.text()}
        click.echo(json.dumps({"event": "result", "ok": False, "error": document}))
    color = wants_color(sys.stderr, os.environ) and "--no-color" not in sys.argv
    if isinstance(error, PhaseFailedError):
        error = error.for_screen()
    Output(out=sys.stderr, err=sys.stderr, color=color).error(error)
    return code


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

    click.echo(build_from_options(source, options, env=os.environ, cwd=_current_dir()))


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
