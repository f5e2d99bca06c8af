"""docs/slug-run.md names every command and option there is, and none that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from runner.cli import cli

GUIDE = (Path(__file__).parents[3] / "docs/slug-run.md").read_text()
TOLD = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z]\b)", GUIDE))
OF_OTHERS = {"--host"}  # uvicorn's
OF_ALL = {"--help", "--version"}


def commands(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{words} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{words} {name}")


def spellings(command: click.Command) -> Iterator[set[str]]:
    """Those of each option; `--no-x` is told apart from `--x`."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield {*parameter.opts, *parameter.secondary_opts}


COMMANDS = dict(commands(cli, "slug-run"))


def test_the_guide_names_each_command() -> None:
    first = {" ".join(words.split()[:2]) for words in COMMANDS}
    assert {words for words in first if words not in GUIDE} == set()


def test_the_guide_names_each_option_by_one_of_its_spellings() -> None:
    missing = [
        (words, sorted(names))
        for words, command in COMMANDS.items()
        for names in spellings(command)
        if not names & (TOLD | OF_ALL)
    ]
    assert missing == []


def test_the_guide_names_no_option_there_is_not() -> None:
    known = {
        name for command in COMMANDS.values() for names in spellings(command) for name in names
    }
    assert TOLD - known - OF_ALL == OF_OTHERS
