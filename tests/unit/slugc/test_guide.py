"""docs/slugc.md names every command and option there is, and none that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from slugc.cli import slugc

GUIDE = (Path(__file__).parents[3] / "docs" / "slugc.md").read_text()
COMMANDS = tuple(slugc.list_commands(click.Context(slugc)))


def section(command: str) -> str:
    """What the guide says of a command's options."""
    title = "## Options of `slugc build`" if command == "build" else f"### `slugc {command}`"
    _, found, rest = GUIDE.partition(f"\n{title}\n")
    assert found, f"docs/slugc.md has no section '{title}'"
    return re.split(r"\n#{2,3} ", rest)[0]


def options(command: click.Command) -> Iterator[str]:
    ctx = click.Context(command, **command.context_settings)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from parameter.opts
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from options(below)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_guide_has_each_commands_options(name: str) -> None:
    command = slugc.get_command(click.Context(slugc), name)
    assert command is not None

    told = set(
        re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", "".join(re.findall(r"`[^`]*`", section(name))))
    )
    assert set(options(command)) - told == set()
    foreign = told - set(options(command)) - {"--json"}
    assert foreign <= ({"--key", "--new-key"} if name == "sign" else set())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_guide_lists_each_command(name: str) -> None:
    overview = GUIDE.partition("\n## ")[0]

    assert re.search(rf"`slugc {name}\b", overview)


def test_commands_of_groups_are_in_their_sections() -> None:
    for name in COMMANDS:
        command = slugc.get_command(click.Context(slugc), name)
        if isinstance(command, click.Group):
            for below in command.list_commands(click.Context(command)):
                assert f"`{below}" in section(name)


def test_links_lead_to_pages_that_are_there() -> None:
    docs = Path(__file__).parents[3] / "docs"
    for page, anchor in re.findall(r"\]\(([a-z-]*\.md)?(#[a-z0-9-]+)?\)", GUIDE):
        text = (docs / page).read_text() if page else GUIDE
        titles = {f"#{re.sub('[^a-z0-9 -]', '', t.lower()).replace(' ', '-')}"
                  for t in re.findall(r"^#+ (.*)$", text, re.M)}  # fmt: skip
        assert not anchor or anchor in titles
