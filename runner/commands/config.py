"""``slug-run config``: the config vars of an app."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildpack.support.errors import UsageError
from buildpack.support.values import NOTHING
from runner.app_option import OpenedApp, app_option, opened_app
from runner.config.dialect_names import DIALECTS, OURS
from runner.json_option import answer, json_option

if TYPE_CHECKING:
    from runner.config.changes import ConfigChange, ConfigOutcome

_NAMES = click.argument("names", nargs=-1, required=True, metavar="NAME...")
_DIALECT = click.option(
    "--dialect",
    type=click.Choice(DIALECTS),
    default=OURS,
    show_default=True,
    help="Read the file as that tool does.",
)
_REVEAL = click.option("--reveal", is_flag=True, help="Show secrets too.")


@click.group("config", invoke_without_command=True)
@click.option("-s", "--shell", is_flag=True, help="As assignments for a shell, secrets too.")
@click.option("-j", "--json", "as_json", is_flag=True, help="As one JSON object, secrets too.")
@_REVEAL
@app_option
@click.pass_context
def command(context: click.Context, /, **options: bool) -> None:
    """Show and change the config vars of an app.

    \b
      slug-run config                          all of them, secrets masked
      slug-run config set DEBUG=1 TEAM=blue    one release, whatever is set
      slug-run config set SECRET_KEY=-         the value from standard input
      slug-run config unset DEBUG
      slug-run config -s > .env                all of them, for a shell

    config:set and the like are understood too.
    """
    if context.invoked_subcommand is not None:
        return
    from runner.config.listing import listed

    with opened_app(_app_name(context)) as opened:
        name, config_vars = opened.app.name, _current(opened)
    if not config_vars and not options["as_json"]:
        _say(f"{name} has no config vars.")
        return
    form = "shell" if options["shell"] else "json" if options["as_json"] else "list"
    _print(listed(name, config_vars, form=form, reveal=options["reveal"]))


@command.command("set")
@click.argument("words", nargs=-1, metavar="NAME=VALUE...", type=click.UNPROCESSED)
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Set what is in FILE; NAME=VALUE beats it.",
)
@_DIALECT
@app_option
@json_option
@click.pass_context
def set_(  # click hands over an argument for each option
    context: click.Context,
    /,
    words: tuple[str, ...],
    env_files: tuple[Path, ...],
    dialect: str,
    **_: object,
) -> None:
    """Set config vars, all of them as one release.

    \b
      slug-run config set DEBUG=1 TEAM=blue
      slug-run config set SECRET_KEY=- < key.txt
      slug-run config set --env-file .env

    NAME=- takes the value from standard input, where no other user of the machine can see it; one
    line end after it is left out.
    """
    from runner.config.changes import ConfigChange
    from runner.config.given import given_values, read_files

    if not words and not env_files:
        raise UsageError(
            "Nothing to set", resolution="For example:\n\n    slug-run config set DEBUG=1"
        )
    values = given_values(words, sys.stdin, warn=_say)
    assigned = {**read_files(env_files, dialect, warn=_say), **values}
    _change(context, ConfigChange(assigned=assigned))


@command.command()
@click.argument("name")
@click.option("-s", "--shell", is_flag=True, help="As an assignment for a shell.")
@app_option
@click.pass_context
def get(context: click.Context, /, name: str, shell: bool, **_: object) -> None:
    """Print the value of one config var, as it is; an empty line if it is not set.

    \b
      slug-run config get DATABASE_URL
      slug-run config get TEXT | slug-run config set OTHER=-
    """
    with opened_app(_app_name(context)) as opened:
        app, value = opened.app.name, _current(opened).get(name)
    if value is None:
        _say(f"{name} is not set on {app}.")
    if shell and value is not None:
        from runner.config.written import shell_text

        _print(shell_text({name: value}))
    elif not shell:
        _print(f"{value or ''}\n")


@command.command()
@_NAMES
@app_option
@json_option
@click.pass_context
def unset(context: click.Context, /, names: tuple[str, ...], **_: object) -> None:
    """Remove config vars, all of them as one release.

    \b
      slug-run config unset DEBUG TEAM
    """
    from runner.config.changes import ConfigChange

    _change(context, ConfigChange(unset=frozenset(names)))


@command.command()
@app_option
@click.pass_context
def edit(context: click.Context, /, **_: object) -> None:
    """Edit the config vars in $VISUAL or $EDITOR.

    \b
      EDITOR=nano slug-run config edit

    They are written to a file that only you can read, as an env file. What you change becomes one
    release; what you wrote is kept if it cannot be used.
    """
    from runner.config.changes import change_config
    from runner.config.editor import edit_config

    with opened_app(_app_name(context)) as opened:
        before = _current(opened)
    # The state is closed meanwhile: an editor may be open for a day.

    def apply(change: ConfigChange) -> ConfigOutcome:
        with opened_app(opened.app.name) as again:
            return change_config(again, change, tell=_say)

    _report(edit_config(opened, before, os.environ, apply))


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--replace", is_flag=True, help="Unset what is not in FILE.")
@_DIALECT
@app_option
@json_option
@click.pass_context
def import_(
    context: click.Context, /, file: Path, replace: bool, dialect: str, **_: object
) -> None:
    """Set the config vars in an env file, or on standard input (-), as one release.

    \b
      slug-run config import .env
      heroku config -j | slug-run config import --dialect json -
      slug-run config export -a polls | slug-run config import -a polls-staging -
    """
    from runner.config.changes import ConfigChange
    from runner.config.given import read_files

    _change(
        context,
        ConfigChange(assigned=read_files((file,), dialect, warn=_say), replace=replace),
    )


@command.command()
@app_option
@click.pass_context
def export(context: click.Context, /, **_: object) -> None:
    """Print the config vars as an env file, secrets too.

    \b
      umask 077; slug-run config export > polls.env
    """
    from runner.config.written import env_text

    with opened_app(_app_name(context)) as opened:
        config_vars = _current(opened)
    _print(env_text(config_vars))


@command.command()
@click.argument("versions", nargs=-1, metavar="[vN [vM]]")
@_REVEAL
@json_option
@app_option
@click.pass_context
def diff(context: click.Context, /, versions: tuple[str, ...], **options: bool) -> None:
    """Show what changed since the release before, since vN, or from vN to vM.

    \b
      slug-run config diff
      slug-run config diff v7
      slug-run config diff v7 v9
    """
    from runner.config.diff import chosen_pair, compared, compared_document
    from runner.config.masking import masked, revealed

    if len(versions) > 2:
        raise UsageError(
            "Two releases can be compared, not more",
            resolution="For example:\n\n    slug-run config diff v7 v9",
        )
    with opened_app(_app_name(context)) as opened:
        old, new = chosen_pair(opened.state, opened.app, versions)
    shown = revealed if options["reveal"] else masked
    if options["as_json"]:
        _print(json.dumps(compared_document(old, new, shown), indent=2) + "\n")
        return
    labels = f"{old.label if old else 'nothing'} -> {new.label if new else 'nothing'}"
    lines = tuple(compared(old, new, shown))
    _say(f"{opened.app.name} {labels}{'' if lines else ': no difference'}")
    _print("".join(f"{line}\n" for line in lines))


def _app_name(context: click.Context) -> str | None:
    """``--app`` after the subcommand, or before it."""
    own: str | None = context.params.get("app_name")
    above = context.parent.params.get("app_name") if context.parent else None
    return own if own is not None else above


def _current(opened: OpenedApp) -> Mapping[str, str]:
    current = opened.state.current(opened.app)
    return current.config_vars if current else NOTHING


def _change(context: click.Context, change: ConfigChange) -> None:
    from runner.config.changes import change_config

    with opened_app(_app_name(context)) as opened:
        outcome = change_config(opened, change, tell=_say)
    _report(outcome, as_json=context.params.get("as_json", False))


def _report(outcome: ConfigOutcome, *, as_json: bool = False) -> None:
    from runner.config.listing import result, result_document
    from runner.config.settling import log_release, restart_containers

    said, lines = result(outcome)
    _say(said)
    if outcome.release is not None:
        with opened_app(outcome.app) as opened:
            log_release(opened, outcome.release, tell=_say)
            restart_containers(opened, outcome.release, tell=_say)
    if as_json:
        answer(said, as_json=True, app=outcome.app, **result_document(outcome))
    else:
        _print(lines)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _print(text: str) -> None:
    # Bytes: a terminal's encoding is no business of a value's.
    click.echo(text.encode("utf-8", "surrogateescape"), nl=False)
