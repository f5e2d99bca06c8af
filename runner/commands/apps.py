"""``slug-run apps``: the apps of this machine."""

from __future__ import annotations

import os
import sys

import click

from buildpack.support.errors import UsageError, printable
from runner.app_choice import require_app_name
from runner.app_lock import app_lock, forget_app_dir
from runner.app_option import app_option, opened_app
from runner.json_option import answer, json_option
from runner.state.state import opened_state
from slugc.privileges import data_dir

_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_NAME = click.argument("name", required=False)


class NotConfirmedError(UsageError):
    """What cannot be undone was not confirmed with the app's name."""

    id = "not-confirmed"

    def __init__(self, app: str, given: str | None) -> None:
        self.app, self.given = app, given
        found = "" if given is None else f"'{printable(given)}' is not its name. "
        super().__init__(
            f"{app} was not destroyed",
            details=f"{found}Its releases, config vars and log would be gone.",
            resolution=f"If that is what you want:\n\n"
            f"    slug-run apps destroy {app} --confirm {app}",
        )


@click.group("apps", invoke_without_command=True)
@_JSON
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> None:
    """Create, list, rename and destroy apps.

    \b
      slug-run apps                    their names
      slug-run apps create polls
      slug-run apps info polls
      slug-run apps destroy polls      asks for the name

    An app is a name with releases, config vars and a formation. Without one:
    slug-run web --slug FILE
    """
    if context.invoked_subcommand is None:
        _list(as_json=as_json)


@command.command()
@click.argument("name")
@json_option
def create(name: str, *, as_json: bool) -> None:
    """Create an app: 3 to 30 lowercase letters, digits and '-'.

    \b
      slug-run apps create polls-staging
    """
    require_app_name(name)
    with opened_state(data_dir(os.environ)) as state:
        state.create_app(name)
    if as_json:
        answer(f"Created {name}.", as_json=True, app=name)
        return
    click.echo(f"Created {name}. Next:\n\n    slug-run deploy FILE.slug --app {name}", err=True)
    click.echo(name)


@command.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """Name the apps, with their current releases.

    \b
      slug-run apps list --json
    """
    _list(as_json=as_json)


@command.command()
@_NAME
@_JSON
@app_option
def info(name: str | None, as_json: bool, app_name: str | None) -> None:
    """Show what is known of an app.

    \b
      slug-run apps info polls
    """
    from runner.app_facts import facts_text, read_facts

    with opened_app(name or app_name) as opened:
        facts = read_facts(opened.state, opened.app, os.environ)
    click.echo(facts_text(facts, as_json=as_json), nl=False)


@command.command()
@click.argument("new_name")
@app_option
@json_option
def rename(new_name: str, app_name: str | None, *, as_json: bool) -> None:
    """Give an app another name. Its containers run on.

    \b
      slug-run apps rename questions --app polls
    """
    require_app_name(new_name)
    with opened_app(app_name) as opened:
        if opened.app.name != new_name:
            opened.state.rename_app(opened.app, new_name)
    _tell(f"{opened.app.name} is called {new_name} now.", app=new_name, as_json=as_json)


@command.command()
@_NAME
@click.option("-c", "--confirm", metavar="NAME", help="The app's name; without it you are asked.")
@app_option
@json_option
def destroy(name: str | None, confirm: str | None, app_name: str | None, *, as_json: bool) -> None:
    """Forget an app: its releases, config vars, formation and log.

    \b
      slug-run apps destroy polls --confirm polls
    """
    from runner.config.settling import stop_containers

    chosen = name or app_name
    with opened_app(chosen) as opened:
        app = opened.app
    if confirm is None and sys.stdin.isatty() and not as_json:
        try:
            confirm = click.prompt(f"This cannot be undone. The app's name, {app.name}", err=True)
        except click.Abort:
            click.echo(err=True)  # the shell's prompt begins a line
            raise
    if confirm != app.name:
        raise NotConfirmedError(app.name, confirm)
    with (
        opened_app(app.name) as opened,
        app_lock(
            opened.state,
            opened.data_dir,
            app,
            doing="its destruction",
            who=opened.who,
            tell=lambda line: click.echo(line, err=True),
        ) as held,
    ):
        stop_containers(opened)
        opened.state.destroy_app(held)
        forget_app_dir(opened.data_dir, held)
    _tell(f"Destroyed {app.name}.", app=app.name, as_json=as_json)


def _tell(said: str, *, app: str, as_json: bool) -> None:
    """On standard output for programs only: for people it is no result."""
    if as_json:
        answer(said, as_json=True, app=app)
    else:
        click.echo(said, err=True)


def _list(*, as_json: bool) -> None:
    from runner.app_facts import list_text, read_facts

    with opened_state(data_dir(os.environ)) as state:
        facts = [read_facts(state, app, os.environ) for app in state.apps()]
    if not facts and not as_json:
        click.echo("There are no apps here yet: slug-run apps create polls", err=True)
    click.echo(list_text(facts, as_json=as_json), nl=False)
