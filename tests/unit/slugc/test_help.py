"""The stored help texts are what click would print."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from slugc.cli import slugc
from slugc.main import HELP_DIR, main, stored_help


def command_paths(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command there is."""
    for name in group.list_commands(click.Context(group)):
        yield (*before, name)
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from command_paths(command, (*before, name))


@pytest.mark.parametrize("words", [(), *command_paths(slugc)], ids=" ".join)
def test_every_help_is_stored_as_click_prints_it(words: tuple[str, ...]) -> None:
    """UPDATE_HELP=1 writes them."""
    result = CliRunner(env={"COLUMNS": "100"}).invoke(
        slugc, (*words, "--help"), prog_name="slugc", terminal_width=90
    )
    assert result.exit_code == 0

    file = Path(HELP_DIR, "-".join(words or ("slugc",)) + ".txt")
    if "UPDATE_HELP" in os.environ:
        file.write_text(result.output, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == result.output
    assert stored_help((*words, "--help")) == stored_help((*words, "-h")) == os.fspath(file)


def test_other_words_have_no_stored_help() -> None:
    for words in (("build",), ("build", "x", "--help"), ("../slugc", "-h"), ("--json", "-h")):
        assert stored_help(words) is None


def test_help_and_version_import_neither_click_nor_a_compiler() -> None:
    script = (
        "import sys; from slugc.main import main\n"
        "assert main(['--help']) == 0 and main(['--version']) == 0\n"
        "assert not {'click', 'slugc.cli', 'argparse', 'pathlib', 'dataclasses'} & set(sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": os.fspath(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert finished.stdout.startswith("Usage: slugc ")
    assert finished.stdout.splitlines()[-1].startswith("slugc 0.")


def test_main_without_arguments_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    assert "slugc build path/to/app" in capsys.readouterr().out


def test_help_and_version_are_understood_as_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == main(["help", "stack", "build"]) == main(["version"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("Usage: slugc [OPTIONS]")
    assert "Usage: slugc stack build " in out
    assert out.splitlines()[-1].startswith("slugc 0.")
