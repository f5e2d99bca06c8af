"""What .slugignore leaves out, line by line. Against git itself: tests/integration."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from slugc.privileges import in_dropped_child
from slugc.sources import slugignore
from slugc.sources.errors import SourceUnreadableError
from slugc.sources.slugignore import SlugignoreError, parse_rules, read_rules


@pytest.mark.parametrize(
    ("rules", "path", "left_out"),
    [
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "deep/er/a.pyc", True),
        ("docs/", "docs", False),  # a file of that name stays
        ("docs/", "docs/", True),
        ("docs/", "src/docs/", True),
        ("/docs", "docs/", True),
        ("/docs", "src/docs/", False),
        ("a/b", "a/b", True),
        ("a/b", "c/a/b", False),
        ("docs/**", "docs/", False),
        ("docs/**", "docs/a", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("*.log\n!keep.log", "keep.log", False),
        ("!keep.log\n*.log", "keep.log", True),  # the last line that matches decides
        ("# docs/", "docs/", False),
        ("\\#odd", "#odd", True),
        ("\\!odd", "!odd", True),
        ("trailing   ", "trailing", True),
        ("escaped\\ ", "escaped ", True),
        ("crlf\r\nnext\r", "crlf", True),
        ("\ufeffbom", "bom", True),
        ("--checkpoint-action=exec=id", "--checkpoint-action=exec=id", True),
        ("[a-", "[a-", False),  # a class that never ends matches nothing, as in git
        ("*", "anything", True),
        ("*/", "file", False),
        ("foo[!a]bar", "foo/bar", False),  # a class does not match a slash
        ("", "a", False),
        ("/etc/*", "etc/passwd", True),  # of the source; no pattern reaches what is around it
        ("/etc/*", "a/etc/passwd", False),
        ("# Here is a comment", "a", False),  # whose words are no patterns
        ("with a space", "with a space", True),
        ("a b", "a", False),
    ],
)
def test_rule(rules: str, path: str, left_out: bool) -> None:
    found = parse_rules(rules.encode()).ignores(path.rstrip("/"), is_dir=path.endswith("/"))

    assert found is left_out


def test_names_and_patterns_that_are_not_utf8_match_as_bytes() -> None:
    rules = parse_rules(b"caf\xe9*\n")

    assert rules.ignores(os.fsdecode(b"caf\xe9.txt"), is_dir=False)
    assert not rules.ignores("caf\u00e9.txt", is_dir=False)


def test_patterns_that_point_outside_are_refused_all_at_once() -> None:
    with pytest.raises(SlugignoreError) as caught:
        parse_rules(b"docs/\n../secret\n# ../comment\n!a/../../b\n")

    assert caught.value.exit_code == 65
    assert caught.value.text() == (
        "The .slugignore cannot be used\n\n"
        ".slugignore:2: '../secret' points outside the source\n"
        ".slugignore:4: '!a/../../b' points outside the source\n\n"
        ".slugignore lists what to leave out of the slug, one pattern a line,\n"
        "as .gitignore does:\n\n    docs/\n    *.mp4\n    !docs/needed.html"
    )


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(SlugignoreError) as caught:
        parse_rules(b"x\n" * 1001)

    assert caught.value.problems == (".slugignore: 1001 patterns; at most 1000 are allowed",)


def test_a_file_above_the_limit_is_refused() -> None:
    with pytest.raises(SlugignoreError) as caught:
        parse_rules(b"x" * (64 * 1024 + 1))

    assert caught.value.problems == (".slugignore: larger than 64 KiB",)


def test_many_double_stars_in_one_pattern_are_refused() -> None:
    with pytest.raises(SlugignoreError) as caught:
        parse_rules(b"a/**/b/**/c/**/d/**/e/**/f\n")

    assert caught.value.problems == (
        ".slugignore: 'a/**/b/**/c/**/d/**/e/**/f' holds more than 4 times '**'",
    )


def test_a_thousand_patterns_over_a_hundred_thousand_paths_take_less_than_two_seconds() -> None:
    lines = [f"name{n}*.tmp" if n % 2 else f"dir{n}/sub/*.x" for n in range(1000)]
    rules = parse_rules("\n".join(lines).encode())
    paths = [f"src/pkg{n % 100}/mod{n}.py" for n in range(100_000)]

    started = time.thread_time()
    assert not any(rules.ignores(path, is_dir=False) for path in paths)
    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a*a*a*a*a*a*a*a*b", "a" * 250),
        ("a/**/a/**/a/**/a/**/b", "/".join("a" * 64)),
    ],
)
def test_no_pattern_backtracks_without_end(pattern: str, path: str) -> None:
    rules = parse_rules(pattern.encode())

    started = time.thread_time()
    assert not rules.ignores(path, is_dir=False)
    assert time.thread_time() - started < 0.5


def test_without_a_file_nothing_is_left_out(tmp_path: Path) -> None:
    assert not read_rules(tmp_path).ignores("anything", is_dir=False)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link"),
        (Path.mkdir, "a directory"),
        (os.mkfifo, "a FIFO"),
    ],
)
def test_a_slugignore_that_is_no_regular_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], found: str
) -> None:
    make(tmp_path / ".slugignore")

    with pytest.raises(SlugignoreError) as caught:
        read_rules(tmp_path)

    assert caught.value.problems == (f".slugignore: it is {found}, not a regular file",)


def test_a_slugignore_we_may_not_read_is_a_matter_of_rights(open_dir: Path) -> None:
    (open_dir / ".slugignore").touch(mode=0)

    with pytest.raises(SourceUnreadableError) as caught:
        in_dropped_child(lambda: read_rules(open_dir))

    assert (caught.value.exit_code, caught.value.names) == (77, (".slugignore",))


def test_plain_lines_are_read_as_pathspec_reads_them() -> None:
    lines = {"".join(chars) for length in range(1, 6) for chars in product("a.*/!", repeat=length)}
    read = {line: plain for line in lines if (plain := slugignore._plain(line))}
    assert {"a", "!a.a", "*.a", "/a/", "a*/a"} <= read.keys()
    for line in (*read, "a-b_c/D9.txt", "*.sqlite3", "!node_modules/"):
        assert slugignore._plain(line) == slugignore._by_pathspec(line)


def test_plain_lines_need_no_pathspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(slugignore, "_by_pathspec")
    rules = parse_rules(b"# Tests and data\npolls/tests.py\n*.sqlite3\n!seed.sqlite3\nbuild/\n")
    assert rules.ignores("data/db.sqlite3", is_dir=False)
    assert not rules.ignores("data/seed.sqlite3", is_dir=False)
