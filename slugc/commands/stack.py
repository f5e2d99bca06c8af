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
def build_stack(tag: str, method: str, output: str | None) -> None:
    """Make a stack image and print its id.

    With -o its root file system is written to FILE instead, and FILE is printed.
    """
    from slugc.progress import make_progress
    from slugc.stacks.image import build_stack_image, write_stack_archive

    with make_progress(os.environ, quiet=False, color=None) as progress:
        progress.step(f"Building the stack image {tag}")
        if output is None:
            made = build_stack_image(tag, method, progress.line, env=os.environ)
        else:
            made = output
            write_stack_archive(tag, Path(output), progress.line, env=os.environ)
    click.echo(made)


@command.command("list", context_settings=CONTEXT)
def list_stacks() -> None:
    """Print the stack images this machine has."""
    from slugc.stacks.image import list_stack_images

    for tag in list_stack_images(os.environ):
        click.echo(tag)
