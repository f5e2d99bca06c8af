"""``slugc diff``."""

from __future__ import annotations

import click

from slugc.commands import CONTEXT
from slugc.plain_build import current_dir


@click.command("diff", context_settings=CONTEXT)
@click.argument("before", metavar="SLUG_A")
@click.argument("after", metavar="SLUG_B")
@click.option("--stat", is_flag=True, help="Print counts alone")
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON")
def command(before: str, after: str, *, stat: bool, as_json: bool) -> None:
    """Say what is different between SLUG_A and SLUG_B.

    Files, packages, process types, names of config vars, the Python, the stack, sizes. The exit
    code is 0 when they are the same and 1 when not, as diff(1) has it.

    \b
    Examples:
      slugc diff old.slug new.slug
      slugc diff old.slug new.slug --stat
      slugc diff old.slug new.slug --json | jq .packages
    """
    from slugc.inspection.diff_command import diff_from_options

    text, same = diff_from_options(before, after, as_json=as_json, stat=stat, cwd=current_dir())
    click.echo(text, nl=False)
    if not same:
        click.get_current_context().exit(1)
