"""What there is to complete: every command with its options and what they take."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from buildpack.support.values import value

# Metavars of words that are, or may be, a file's name.
_FILES = re.compile(r"FILE|DIR|PATH|SRC|SOURCE|SLUG|SPEC|KEY|IMAGE|TARGET|APP\]")


@value
class CommandOption:
    """One option. ``choices`` and ``is_file`` say what its value is, if it takes one."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...] = ()
    is_file: bool = False


@value
class CommandWords:
    """One command: the words that call it, ``("slugc", "stack", "build")``, and what follows."""

    path: tuple[str, ...]
    help: str
    options: tuple[CommandOption, ...]
    commands: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """of its argument"""
    is_file: bool = False
    """whether its arguments are files"""

    @property
    def called(self) -> str:
        return " ".join(self.path)


def command_words(
    command: click.Command, path: tuple[str, ...], above: click.Context | None = None
) -> Iterator[CommandWords]:
    """``command`` and all that are in it."""
    # As click makes it: a command keeps its option for help as it was first asked for.
    settings = command.context_settings
    ctx = click.Context(command, info_name=path[-1], parent=above, **settings)
    group = command if isinstance(command, click.Group) else None
    names = tuple(group.list_commands(ctx)) if group else ()
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    yield CommandWords(
        path=path,
        help=command.get_short_help_str(70),
        options=tuple(map(_option, _options(command, ctx))),
        commands=names,
        choices=tuple(word for each in arguments for word in _choices(each)),
        is_file=any(_FILES.search(each.make_metavar(ctx)) for each in arguments),
    )
    for name in names:
        found = group.get_command(ctx, name) if group else None
        assert found is not None
        yield from command_words(found, (*path, name), ctx)


def _options(command: click.Command, ctx: click.Context) -> list[click.Option]:
    return [each for each in command.get_params(ctx) if isinstance(each, click.Option)]


def _option(option: click.Option) -> CommandOption:
    takes_value = not option.is_flag and not option.count
    choices = _choices(option)
    return CommandOption(
        names=tuple(option.opts),
        help=_first_sentence(option.help or ""),
        takes_value=takes_value,
        choices=choices,
        is_file=takes_value and not choices and bool(_FILES.search(option.metavar or "")),
    )


def _choices(parameter: click.Parameter) -> tuple[str, ...]:
    kind = parameter.type
    return tuple(map(str, kind.choices)) if isinstance(kind, click.Choice) else ()


def _first_sentence(text: str) -> str:
    """Without defaults and variables, in one line."""
    return re.sub(r"\s*\[[^]]*\]\s*$", "", " ".join(text.split())).rstrip(".")
