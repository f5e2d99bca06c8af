"""Procfiles: what is accepted, and that every problem of a refused one is listed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.privileges import in_dropped_child
from slugc.procfile import (
    ProcessType,
    ProcfileError,
    ProcfileUnreadableError,
    merge_process_types,
    parse_procfile,
    read_procfile,
)


def problems(content: bytes) -> list[str]:
    with pytest.raises(ProcfileError) as caught:
        parse_procfile(content)
    assert caught.value.exit_code is ExitCode.DATA
    return [problem.at("Procfile") for problem in caught.value.problems]


def test_types_keep_their_order() -> None:
    parsed = parse_procfile(b"worker: w\nweb: gunicorn app:app\nrelease: m\nconsole: c\n")
    assert list(parsed.items()) == [
        ("worker", "w"),
        ("web", "gunicorn app:app"),
        ("release", "m"),
        ("console", "c"),
    ]


@pytest.mark.parametrize(
    "command",
    [
        "a; b && c | d",
        "gunicorn --bind 0.0.0.0:$PORT 'my app':app",
        'sh -c "echo \\"hi\\""',
        "echo # not a comment",
        "a: b: c",
        "echo `id` $(id) ${X:-y} *",
        "back\\slash",
        "trailing \\",
        "tab\tinside",
        "ünïcode ✓",
    ],
)
def test_command_is_kept_to_the_letter(command: str) -> None:
    assert parse_procfile(f"web: {command}\n".encode()) == {"web": command}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"web:a", "a"),
        (b"web:\ta", "a"),
        (b"  web : a  ", "a"),
        (b"web: a\r\n", "a"),
        (b"# comment\n\n   \n  # more\nweb: a", "a"),
        (b"\xef\xbb\xbfweb: a", "a"),
        (b"web: a\n\n\n", "a"),
    ],
)
def test_spacing_comments_line_ends_and_mark_do_not_matter(content: bytes, expected: str) -> None:
    assert parse_procfile(content) == {"web": expected}


def test_byte_order_mark_and_odd_names_are_warned_about() -> None:
    warnings: list[str] = []
    parse_procfile(b"\xef\xbb\xbfweb: a\nmy-worker: b\nClock_1: c", warn=warnings.append)
    assert warnings == [
        "The Procfile begins with a byte order mark, which is ignored.",
        "The Procfile names my-worker, Clock_1: only lower-case letters and digits work on"
        " every platform.",
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only\n#comments\n", b"   "])
def test_procfile_without_types(content: bytes) -> None:
    assert problems(content) == ["Procfile: it names no process types"]


RULE = (
    "is no process type: letters, digits, '-' and '_' are\n"
    "    allowed, a letter or digit first, at most 63 in all"
)


@pytest.mark.parametrize(
    "name",
    ["../../x", "a/b", "a b", "$(id)", "-rf", "_x", "a" * 64, "é", "web.1", '\'];system("id")#'],
)
def test_name_that_is_no_process_type(name: str) -> None:
    assert problems(f"{name}: x".encode()) == [f"Procfile:1:1: '{name}' {RULE}"]


def test_empty_name() -> None:
    assert problems(b": x") == [f"Procfile:1:1: '' {RULE}"]


def test_longest_name_is_accepted() -> None:
    assert parse_procfile(b"a" * 63 + b": x") == {"a" * 63: "x"}


def test_all_problems_are_listed_with_their_places() -> None:
    content = b"web gunicorn app\nworker:   \nclock: a\nclock: b\n<<<<<<< HEAD\nx\x1by: z\n"
    with pytest.raises(ProcfileError) as caught:
        parse_procfile(content)
    assert caught.value.text() == (
        "The Procfile has 5 problems\n\n"
        "Procfile:1:1: 'web gunicorn app' has no colon\n"
        "Procfile:2:8: 'worker' has no command\n"
        "Procfile:4:1: 'clock' stands here and in line 3\n"
        "Procfile:5:1: '<<<<<<< HEAD' is left from a merge conflict\n"
        "Procfile:6:2: it holds the control character \\x1b\n\n"
        "A Procfile line looks like this:\n\n"
        "    web: gunicorn app:app --bind 0.0.0.0:$PORT"
    )


def test_nul_byte_is_shown_with_its_place() -> None:
    assert problems(b"web: a\x00b and some more text") == [
        "Procfile:1:7: it holds the control character \\x00"
    ]


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", "=======", ">>>>>>> main", "||||||| base: x"])
def test_merge_conflict_is_named(line: str) -> None:
    assert problems(f"web: a\n{line}\n".encode()) == [
        f"Procfile:2:1: '{line}' is left from a merge conflict"
    ]


def test_lines_that_are_not_utf8_are_all_named() -> None:
    assert problems(b"# caf\xe9\nweb: a\nworker: \xff\n") == [
        "Procfile:1:6: '# caf\\xe9' is not UTF-8",
        "Procfile:3:9: 'worker: \\xff' is not UTF-8",
    ]


@pytest.mark.parametrize(
    ("encoding", "guess"),
    [("utf-16", "UTF-16 LE"), ("utf-16-le", "UTF-16 LE"), ("utf-16-be", "UTF-16 BE")],
)
def test_other_encoding_is_guessed(encoding: str, guess: str) -> None:
    assert problems("web: gunicorn app:app\n".encode(encoding)) == [
        f"Procfile: it is not UTF-8; it looks like {guess}"
    ]


def test_limits() -> None:
    assert problems(b"web: " + b"x" * 65536) == ["Procfile: it is larger than 64 KiB"]
    many = "".join(f"t{number}: x\n" for number in range(101)).encode()
    assert problems(many) == ["Procfile: it names 101 process types; at most 100 are allowed"]
    assert len(parse_procfile(many[: many.rindex(b"t100")])) == 100


def test_no_procfile_is_none(tmp_path: Path) -> None:
    assert read_procfile(tmp_path) is None


def test_procfile_is_read(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_bytes(b"web: a\n")
    assert read_procfile(tmp_path) == {"web": "a"}


@pytest.mark.parametrize("kind", ["directory", "FIFO", "symbolic link", "socket"])
def test_procfile_must_be_a_regular_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "Procfile"
    with socket.socket(socket.AF_UNIX) as listener:
        match kind:
            case "directory":
                path.mkdir()
            case "FIFO":
                os.mkfifo(path)
            case "symbolic link":
                path.symlink_to("/etc/passwd")
            case "socket":
                here = os.open(tmp_path, os.O_RDONLY)
                listener.bind(f"/proc/self/fd/{here}/Procfile")
                os.close(here)
        with pytest.raises(ProcfileError) as caught:
            read_procfile(tmp_path)
    assert caught.value.details == f"Procfile: it is a {kind}, not a regular file"


def test_procfile_without_permission(open_dir: Path) -> None:
    (open_dir / "Procfile").write_text("web: a")
    (open_dir / "Procfile").chmod(0)
    with pytest.raises(ProcfileUnreadableError):
        in_dropped_child(lambda: read_procfile(open_dir))


def test_unreadable_message() -> None:
    error = ProcfileUnreadableError("Procfile")
    assert error.exit_code is ExitCode.PERMISSION
    assert error.text() == (
        "The Procfile cannot be read\n\n"
        f"uid {os.getuid()} has no permission to read it.\n\n"
        "Allow it:\n\n    chmod a+r Procfile"
    )


def test_defaults_fill_in_what_the_procfile_lacks() -> None:
    defaults = {ProcessType("web"): "default", ProcessType("worker"): "w"}
    assert merge_process_types({ProcessType("web"): "mine"}, defaults) == {
        "web": "mine",
        "worker": "w",
    }
    assert merge_process_types(None, defaults) == defaults
