"""The grammar of env files, and where it is broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support.env_file import (
    EnvFileError,
    EnvFileMissingError,
    parse_env_file,
    read_env_file,
)
from buildpack.support.errors import ExitCode


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=b c", {"A": "b c"}),
        ("A=b # c", {"A": "b"}),
        ("A=b\t# c", {"A": "b"}),
        ("A=b#c", {"A": "b#c"}),
        ("A=# c", {"A": ""}),
        ("A=it's", {"A": "it's"}),
        ("A=", {"A": ""}),
        ("A=  x  ", {"A": "x"}),
        (" A = x", {"A": "x"}),
        ("A='b\\n'", {"A": "b\\n"}),
        ('A="b\\nc"', {"A": "b\nc"}),
        ('A="\\t\\r\\"\\\\\\$"', {"A": '\t\r"\\$'}),
        ('A="C:\\dir"', {"A": "C:\\dir"}),
        ("A=$B", {"A": "$B"}),
        ('A="$B"', {"A": "$B"}),
        ("A='one\ntwo'\nB=1", {"A": "one\ntwo", "B": "1"}),
        ('A="one\ntwo" # c\nB=1', {"A": "one\ntwo", "B": "1"}),
        ("export A=b", {"A": "b"}),
        ("# c\n\n  # d\nA=1\n", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A=a=b", {"A": "a=b"}),
        ("A=''", {"A": ""}),
        ("", {}),
        ("exported=1", {"exported": "1"}),
        ("A=\nB=2", {"A": "", "B": "2"}),
    ],
)
def test_parse_env_file(text: str, found: dict[str, str]) -> None:
    assert parse_env_file(text.encode(), ".env") == found


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("A", [(1, 1, "'A' has no '='")]),
        ("\n  A B=1", [(2, 3, "'A B' is not a name")]),
        ("1A=1", [(1, 1, "'1A' is not a name")]),
        ("A='x", [(1, 3, "the quote ' is never closed")]),
        ('A="x', [(1, 3, 'the quote " is never closed')]),
        ('A="x\\', [(1, 3, 'the quote " is never closed')]),
        ("A='x' y", [(1, 6, "something follows the closing quote")]),
        (
            "A='x\ny' z\nB",
            [(2, 3, "something follows the closing quote"), (3, 1, "'B' has no '='")],
        ),
        ("A=1\nB=1\nA=2", [(3, 1, "'A' stands here and in line 1")]),
        ("a\nb\nC=1\nd", [(n, 1, f"'{c}' has no '='") for n, c in ((1, "a"), (2, "b"), (4, "d"))]),
        ('{"A": 1}', [(1, 1, "what stands here has no '='")]),
    ],
)
def test_parse_env_file_lists_every_problem_with_its_place(
    text: str, problems: list[tuple[int, int, str]]
) -> None:
    with pytest.raises(EnvFileError) as caught:
        parse_env_file(text.encode(), ".env")
    assert [(p.line, p.column, p.what) for p in caught.value.problems] == problems
    assert caught.value.exit_code is ExitCode.DATA


def test_parse_env_file_refuses_other_encodings() -> None:
    with pytest.raises(EnvFileError) as caught:
        parse_env_file(b"A=1\nB=\xff", ".env")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.what) == (2, 3, "not UTF-8")


def test_env_file_error_words_show_no_value() -> None:
    with pytest.raises(EnvFileError) as caught:
        parse_env_file(b"TOKEN='s3cret-value", ".env")
    assert caught.value.text() == (
        "The env file .env has a problem\n\n"
        ".env:1:7: the quote ' is never closed\n\n"
        "A line looks like one of these:\n\n"
        "    NAME=value\n    NAME='as it is'\n    NAME=\"two\\nlines\""
    )


@pytest.mark.parametrize(
    "line", ["sk-live-0123456789-0123456789", "s3cret/0123+", "-----BEGIN X-----\nMIIs3cret0123+/"]
)
def test_what_is_no_name_is_not_shown_in_case_it_is_a_secret(line: str) -> None:
    with pytest.raises(EnvFileError, match="problem") as caught:
        parse_env_file(line.encode(), ".env")
    assert "0123" not in caught.value.text()
    assert "what stands here has no '='" in caught.value.details


def test_read_env_file_takes_a_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    assert read_env_file(tmp_path / ".env") == {"A": "1"}


def test_read_env_file_names_what_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, found in (
        ("none", "No such file or directory."),
        ("fifo", "It is not a regular file."),
        (".", "It is not a regular file."),
    ):
        with pytest.raises(EnvFileMissingError) as caught:
            read_env_file(tmp_path / name)
        assert caught.value.found == found
        assert caught.value.exit_code is ExitCode.NO_INPUT
