"""What is understood without click is what click would have understood."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from typing import Any

import click
import pytest

from runner import commands
from runner.cli import cli
from runner.commands.start import command as start
from runner.plain_start import plain_options
from runner.requests import COMMANDS

PLAIN = [
    ["web"],
    ["web=2", "worker"],
    ["web", "--count", "2"],
    ["web", "--count", "two"],
    ["web", "--slug", "a.slug"],
    ["web", "--app", "polls"],
    ["web", "-a", "polls", "--count", "2"],
    ["web", "--slug", "a.slug", "--slug", "b.slug", "worker"],
    ["web", "-e", "A=1", "--env", "B=", "--env-file", ".env", "--env-file", "x/y"],
    ["web", "--engine", "host", "--memory", "none", "--no-prefix", "--no-color"],
    ["web", "", "--exit-on-crash"],
    ["web", "-c", "worker=2"],
    ["web", "--concurrency", "worker=2"],
    ["web", "--port", "8000", "--slug", "a.slug"],
    ["web", "--port", "08000"],
]
LEFT_TO_CLICK = [
    [],
    ["--help"],
    ["-h"],
    ["--version"],
    ["start"],
    ["run", "web"],
    ["engine", "list"],
    ["web", "--help"],
    ["web", "-h"],
    ["web", "--slug"],
    ["web", "--slug", "--count"],
    ["web", "--count=2"],
    ["web", "-eA=1"],
    ["web", "--port", "0"],
    ["web", "--port", "65536"],
    ["web", "--port", "+80"],
    ["web", "--port", "http"],
    ["web", "--", "x"],
    ["web", "--no-such-option", "x"],
    ["web", "--pids", "9"],
]


def as_click_reads(words: list[str]) -> dict[str, Any]:
    context = cli.make_context("slug-run", list(words))
    name, command, rest = cli.resolve_command(context, [*context._protected_args, *context.args])
    assert name == "start"
    assert command is not None
    return command.make_context("start", list(rest), parent=context).params


@pytest.mark.parametrize("words", PLAIN)
def test_plain_words_mean_what_click_reads(words: list[str]) -> None:
    assert plain_options(words) == as_click_reads(words)


@pytest.mark.parametrize("words", LEFT_TO_CLICK)
def test_whatever_is_not_plain_is_left_to_click(words: list[str]) -> None:
    assert plain_options(words) is None


def test_no_command_is_taken_for_a_process_type() -> None:
    files = pkgutil.iter_modules(commands.__path__)
    assert sorted(file.name.removesuffix("_") for file in files) == list(COMMANDS)


def test_every_plain_option_is_one_of_clicks() -> None:
    known = {text for each in start.params if isinstance(each, click.Option) for text in each.opts}
    for option in known - {"--slug"}:
        # Either it means the same, or it is left to click.
        words = ["web", option, "5"]
        found = plain_options(words)
        assert found is None or found == as_click_reads(words)


def test_a_plain_start_imports_no_click() -> None:
    code = (
        "import sys; from runner.main import main; code = main(['web', '--slug', '/nonexistent']);"
        "assert code == 66, code; assert 'click' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"nonexistent" in done.stderr
