"""Config vars for a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from slugc.config_vars import ConfigVarError, gather_config_vars


def test_the_command_line_wins_over_files_and_later_files_over_earlier(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "two").write_text("B=2\nC=2\n")

    found = gather_config_vars(["C=3", "D=x=y"], [tmp_path / "one", tmp_path / "two"])

    assert found == {"A": "1", "B": "2", "C": "3", "D": "x=y"}


def test_every_problem_is_listed_and_no_value_shown() -> None:
    with pytest.raises(ConfigVarError) as caught:
        gather_config_vars(["hunter2", "1A=secret", "B=a\0b", "C=" + "x" * 65_537, "../x=1"], [])

    assert caught.value.exit_code == 64
    assert caught.value.text() == (
        "5 config vars cannot be set for the build\n\n"
        "- --env number 1 has no '='\n"
        "- '1A' is not a name\n"
        "- the value of 'B' holds a NUL byte\n"
        "- the value of 'C' is 65,537 bytes; at most 65,536\n"
        "- '../x' is not a name\n\n"
        "A name is letters, digits and '_', not a digit first:\n\n"
        "    slugc build --env DISABLE_COLLECTSTATIC=1"
    )
