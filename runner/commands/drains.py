"""``slug-run drains``."""

from __future__ import annotations

import json

import click

from buildpack.support.urls import without_password
from runner.app_option import app_option, opened_app
from runner.json_option import answer, json_option
from runner.logbook.drains import Drains
from runner.logbook.place import drains_dir, log_dir
from runner.logbook.reader import Filter, LogReader
from runner.supervision.telling import say


@click.group("drains", invoke_without_command=True)
@app_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(context: click.Context, *, app_name: str | None, as_json: bool) -> None:
    """Send the log of an app to other places, too.

    \b
      slug-run drains                  where it goes
      slug-run drains add syslog+tls://logs.example.com:6514
      slug-run drains add https://user:password@logs.example.com/in
      slug-run drains remove syslog+tls://logs.example.com:6514

    Lines are sent while the app runs under a supervisor, and wait in the log
    until a receiver takes them.
    """
    if context.invoked_subcommand is None:
        _list(app_name, as_json=as_json)


def _list(app_name: str | None, *, as_json: bool) -> None:
    with opened_app(app_name) as opened:
        found = Drains(drains_dir(opened.data_dir, opened.app)).all()
    rows = [{"url": without_password(each.url), "token": each.token} for each in found]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        say(f"The log of {opened.app.name} goes nowhere else: slug-run drains add URL")
    for row in () if as_json else rows:
        click.echo(f"{row['url']} ({row['token']})")


@command.command("list")
@app_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_drains(*, app_name: str | None, as_json: bool) -> None:
    """Show where the log goes; passwords are not shown."""
    _list(app_name, as_json=as_json)


@command.command()
@click.argument("url")
@app_option
@json_option
def add(url: str, *, app_name: str | None, as_json: bool) -> None:
    """Send the log to URL from now on.

    \b
      slug-run drains add syslog+tls://logs.example.com:6514
    """
    with opened_app(app_name) as opened:
        reader = LogReader(log_dir(opened.data_dir, opened.app), Filter().wants)
        reader.start_at_last(0)
        drains = Drains(drains_dir(opened.data_dir, opened.app))
        drain = drains.add(url, reader.position)
        reader.close()
        name = opened.app.name
    url = without_password(drain.url)
    said = f"The log goes to {url} ({drain.token})"
    answer(said, as_json=as_json, app=name, url=url, token=drain.token)


@command.command()
@click.argument("url")
@app_option
@json_option
def remove(url: str, *, app_name: str | None, as_json: bool) -> None:
    """Send the log to URL, or to the drain with that token, no more.

    \b
      slug-run drains remove syslog+tls://logs.example.com:6514
    """
    with opened_app(app_name) as opened:
        drain = Drains(drains_dir(opened.data_dir, opened.app)).remove(url)
        name = opened.app.name
    url = without_password(drain.url)
    said = f"The log goes to {url} no more"
    answer(said, as_json=as_json, app=name, url=url, token=drain.token)
