"""What is wrong with a command line, in our words, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import click

from buildpack.support.errors import UsageError, printable

_PLAIN = (
    (r" is not a valid float( range)?$", " is not a number"),
    (r" is not a valid integer( range)?$", " is not a whole number"),
    (r" is not in the range x>=([0-9.]+)$", r" is too little; it takes at least \1"),
)
"""What click says of numbers, and what people say."""


def spoken(err: click.ClickException) -> UsageError:
    """click's objection as an error of ours."""
    ctx = err.ctx if isinstance(err, click.UsageError) else None
    command = ctx.command_path if ctx else "slugc"
    meant = ""
    match err:
        case click.exceptions.NoSuchCommand():
            name = printable(err.command_name)
            brief = f"There is no command '{name}' of {command}"
            meant = _meant_command(err.command_name, ctx)
        case click.NoSuchOption():
            brief = f"{command} has no option '{printable(err.option_name)}'"
            meant = _did_you_mean(_near(err.option_name, _options(ctx)))
        case click.MissingParameter():
            what = err.param.make_metavar(ctx) if err.param and ctx else "an argument"
            brief = f"{command} needs {what}"
        case click.BadParameter():
            name = err.param.opts[0] if err.param else "an argument"
            if isinstance(err.param, click.Argument) and ctx:
                name = err.param.make_metavar(ctx)
            brief = f"The value of {name} cannot be used: {_sentence(err.message)}"
        case click.BadOptionUsage():
            needs = "requires" in err.message
            option = printable(err.option_name)
            brief = f"{option} needs a value" if needs else f"{option} takes no value"
        case _:
            brief = _without_click(err.format_message(), command)
    return UsageError(brief, resolution="\n".join(filter(None, (meant, f"See: {command} --help"))))


def _without_click(message: str, command: str) -> str:
    found = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", message, re.S)
    return f"{command} takes less: '{printable(found[1])}' is too much" if found else message


def _meant_command(name: str, ctx: click.Context | None) -> str:
    group = ctx.command if ctx else None
    if not isinstance(group, click.Group) or ctx is None:
        return ""
    near = _near(name, group.list_commands(ctx))
    if not near and ctx.parent is None and Path(name).is_dir():
        return f"To build that directory: slugc build {name}"
    return _did_you_mean(near)


def _options(ctx: click.Context | None) -> Iterable[str]:
    params = ctx.command.get_params(ctx) if ctx else ()
    return [name for each in params if isinstance(each, click.Option) for name in each.opts]


def _near(name: str, known: Iterable[str]) -> list[str]:
    known = list(known)
    begun = [each for each in known if len(name) >= 2 and each.startswith(name)]
    if begun:
        return begun
    bare = {each.lstrip("-"): each for each in known}  # what all have in common makes none near
    return [bare[each] for each in get_close_matches(name.lstrip("-"), bare, n=2, cutoff=0.6)]


def _did_you_mean(near: Iterable[str]) -> str:
    shown = " or ".join(near)
    return f"Did you mean {shown}?" if shown else ""


def _sentence(message: str) -> str:
    message = message.rstrip(".").replace('"', "'")
    for theirs, ours in _PLAIN:
        message = re.sub(theirs, ours, message)
    return message
