"""``slugc completion``."""

from __future__ import annotations

import click

from slugc.commands import CONTEXT


@click.command(
    "completion",
    context_settings=CONTEXT,
    short_help="Print a script that lets a shell complete all this.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that lets a shell complete the commands and options of slugc.

    \b
    Examples:
      source <(slugc completion bash)
      slugc completion fish > ~/.config/fish/completions/slugc.fish
    """
    from slugc.cli import slugc
    from slugc.completion.scripts import SCRIPTS
    from slugc.completion.words import command_words

    click.echo(SCRIPTS[shell](tuple(command_words(slugc, ("slugc",)))), nl=False)
