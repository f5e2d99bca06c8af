"""The stored help texts are what click would print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from slugc.cli import slugc
from slugc.main import HELP_DIR, STORED, main


@pytest.mark.parametrize("arguments", STORED)
def test_stored_help_is_what_click_prints(arguments: tuple[str, ...]) -> None:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(
        slugc, arguments or ("--help",), prog_name="slugc", terminal_width=90
    )

    stored = (Path(HELP_DIR) / STORED[arguments]).read_text(encoding="utf-8")
    assert stored == result.output


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
