"""``slugc stack``: build and list."""

from __future__ import annotations

import os
from pathlib import Path

import click

from slugc.commands import CONTEXT


@click.group("stack", context_settings=CONTEXT)
def command() -> None:
    """Make the stack images that the docker engine runs slugs on."""


@command.command("build", context_settings=CONTEXT)
@click.option("--tag", default="slugkit-stack:debian-12", help="The image [default: debian-12's]")
@click.option(
    "--method",
    type=click.Choice(["auto", "debian", "mmdebstrap"]),
    default="auto",
    help="From a registry's base image, or from packages [default: what can be reached]",
)
@click.option("-o", "--output", metavar="FILE", help="Write a tar for slugc export, without Docker")
@click.option(
    "--package", "packages", metavar="NAME", multiple=True, help="A Debian package more; repeat it"
)
@click.option("--aptfile", metavar="FILE", help="A file of such names, as an Aptfile is")
def build_stack(
    tag: str, method: str, output: str | None, packages: tuple[str, ...], aptfile: str | None
) -> None:
    """Make a stack image and print its id.

    With -o its root file system is written to FILE instead, and FILE is printed.

    \b
    Examples:
      slugc stack build
      slugc stack build --package libgdal32 --package fonts-dejavu-core
      slugc stack build --aptfile path/to/app/Aptfile -o stack.tar
    """
    from slugc.progress import make_progress
    from slugc.stacks.extra_packages import extra_packages
    from slugc.stacks.image import build_stack_image, write_stack_archive

    extra = extra_packages(packages, None if aptfile is None else Path(aptfile))
    with make_progress(os.environ, quiet=False, color=None) as progress:
        progress.step(f"Building the stack image {tag}")
        if output is None:
            made = build_stack_image(tag, method, progress.line, extra=extra, env=os.environ)
        else:
            made = output
            write_stack_archive(tag, Path(output), progress.line, extra=extra, env=os.environ)
    click.echo(made)


@command.command("list", context_settings=CONTEXT)
def list_stacks() -> None:
    """Print the stack images this machine has."""
    from slugc.stacks.image import list_stack_images

    for tag in list_stack_images(os.environ):
        click.echo(tag)
