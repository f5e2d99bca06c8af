"""written: what is printed for a shell or an env file is read back whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildpack.support.env_file import parse_env_file
from runner.config.written import env_text, shell_text
from tests.unit.runner.config.nasty import CURATED, random_values

ALL = (*CURATED, *random_values(2000, seed=5))
NAMED = {f"V{number}": text for number, text in enumerate(ALL)}


def test_an_exported_env_file_is_imported_value_for_value() -> None:
    assert parse_env_file(env_text(NAMED).encode(), "x") == NAMED


def test_each_value_survives_in_an_env_file_of_its_own() -> None:
    for text in ALL:
        assert parse_env_file(env_text({"A": text}).encode(), "x") == {"A": text}


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_reads_assignments_back_byte_for_byte(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "vars.sh"
    file.write_text(f"set -a\n{shell_text(NAMED)}\nexec env -0\n", newline="")
    done = subprocess.run(
        [shell, str(file)],
        capture_output=True,
        check=True,
        timeout=30,
        env={"PATH": "/usr/bin:/bin"},
    )
    found = dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)
    assert {name: found[name] for name in NAMED} == NAMED


def test_names_are_sorted_and_plain_values_bare() -> None:
    assert shell_text({"B": "1", "A": "a b", "C": ""}) == "A='a b'\nB=1\nC=''\n"
    assert env_text({"B": "1", "A": "a b", "C": ""}) == "A='a b'\nB=1\nC=\n"
    assert env_text({"A": "it's\n"}) == 'A="it\'s\\n"\n'
