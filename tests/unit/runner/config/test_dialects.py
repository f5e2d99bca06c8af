"""dialects: env files that were written for other tools give what those tools give."""

from __future__ import annotations

import pytest

from buildpack.support.env_file import EnvFileError
from runner.config.dialect_names import DIALECTS
from runner.config.dialects import LINE_READERS, parse_dialect

# runner-semantics of each tool, line by line: honcho by running it, the others from their source.
TABLE = [
    # line              honcho      foreman      heroku-local  docker
    ("A=b c",           "bc",       "b c",       "b c",        "b c"),
    ("A=b # c",         "b",        "b # c",     "b",          "b # c"),
    ("A=b#c",           "b",        "b#c",       "b",          "b#c"),
    ("A=it's",          EnvFileError, "it's",    "it's",       "it's"),
    ("AB=",             None,       "",          "",           ""),
    (r"A='b\n'",        "b\n",      r"b\n",      r"b\n",       r"'b\n'"),
    (r'A="b\nc"',       "b\nc",     "b\nc",      r"b\nc",      r'"b\nc"'),
    ("A=$B",            "$B",       "$B",        "$B",         "$B"),
    ('A="b',            EnvFileError, '"b',      EnvFileError, '"b'),
    (r'A="b\"c"',       'b"c',      'b"c',       "b\\",        r'"b\"c"'),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("column", range(4), ids=["honcho", "foreman", "heroku-local", "docker"])
def test_a_line_means_what_the_tool_takes_it_for(row: tuple[object, ...], column: int) -> None:
    dialect = ["honcho", "foreman", "heroku-local", "docker"][column]
    line, expected = str(row[0]), row[column + 1]
    if expected is EnvFileError:
        with pytest.raises(EnvFileError, match="problem"):
            parse_dialect(dialect, line.encode(), ".env")
        return
    found = parse_dialect(dialect, line.encode(), ".env")
    assert found.config_vars == (
        {} if expected is None else {line.split("=", maxsplit=1)[0]: expected}
    )
    assert found.skipped == ((1,) if expected is None else ())


@pytest.mark.parametrize("dialect", ["honcho", "foreman"])
def test_lines_a_tool_skips_without_a_word_are_named(dialect: str) -> None:
    found = parse_dialect(dialect, b"# c\n\nexport A=b\nnothing\nB=1\r\n", ".env")
    assert found.config_vars == {"B": "1"}
    assert found.skipped == (3, 4)


def test_our_own_grammar_is_the_default_and_refuses_what_it_does_not_understand() -> None:
    assert DIALECTS[0] == "slug-run"
    assert set(DIALECTS) == {"slug-run", *LINE_READERS, "json"}
    assert parse_dialect("slug-run", b"export A='b\nc'", ".env").config_vars == {"A": "b\nc"}
    with pytest.raises(EnvFileError):
        parse_dialect("slug-run", b"nothing", ".env")


def test_an_error_has_a_place_and_no_value() -> None:
    with pytest.raises(EnvFileError) as caught:
        parse_dialect("honcho", b"B=1\nA='s3cret\n", ".env")
    assert caught.value.details == ".env:2:1: a quote is never closed; honcho ends here"


def test_json_is_one_object_of_texts() -> None:
    assert parse_dialect("json", b'{"A": "b\\nc", "B": ""}', "x").config_vars == {
        "A": "b\nc",
        "B": "",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "x: not a JSON object"),
        (b"{\n", "x:2:1: not JSON"),
        (b'{"A": 1, "B": null}', "x: the value of 'A' is not a text\nx: the value of 'B' is not a"),
        (b'{"A": "1", "A": "2"}', "x: 'A' stands there twice"),
        (b"[" * 100_000, "x: not JSON"),
        (b'{"A": "\xff"}', "x:1:1: not UTF-8"),
    ],
)
def test_json_that_is_something_else(content: bytes, said: str) -> None:
    with pytest.raises(EnvFileError) as caught:
        parse_dialect("json", content, "x")
    assert caught.value.details.startswith(said)
