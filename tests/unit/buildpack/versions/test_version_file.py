"""version_file: the grammar of .python-version and runtime.txt, and what is said of slips."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.versions.python_version import VersionOrigin, VersionSource, read_policy
from buildpack.versions.version_file import is_misspelt, parse_version_file, read_version_files
from buildpack.versions.version_file_errors import (
    InvalidVersionError,
    MisspeltVersionFileError,
    MultipleVersionsError,
    NoVersionInFileError,
    PythonVersionFileError,
    VersionFileEncodingError,
)

FILE, RUNTIME = VersionOrigin.PYTHON_VERSION_FILE, VersionOrigin.RUNTIME_TXT
POLICY = read_policy({}, date(2026, 11, 22))


def parse(content: bytes | str, origin: VersionOrigin = FILE) -> VersionSource:
    raw = content if isinstance(content, bytes) else content.encode()
    return parse_version_file(raw, origin, POLICY)


def refused(content: bytes | str, origin: VersionOrigin = FILE) -> PythonVersionFileError:
    with pytest.raises(PythonVersionFileError) as caught:
        parse(content, origin)
    return caught.value


@pytest.mark.parametrize(
    ("content", "expected", "line"),
    [
        (b"3.13", "3.13", 1),
        (b"3.13.1\n", "3.13.1", 1),
        (b"# why\r\n\r\n  3.12 \r\n", "3.12", 3),
        (b"\t3.12\t", "3.12", 1),
        (b"3.12.999", "3.12.999", 1),  # well-formed: that it does not exist is said later
        ("\u00a03.12\u2003\n", "3.12", 1),  # blanks of Unicode, as editors paste them
    ],
)
def test_valid_files(content: bytes | str, expected: str, line: int) -> None:
    found = parse(content)
    assert (str(found.requested), found.line, found.has_mark) == (expected, line, False)


def test_a_byte_order_mark_is_accepted_and_remembered() -> None:
    found = parse(b"\xef\xbb\xbf3.11\n")
    assert (str(found.requested), found.has_mark) == ("3.11", True)


def test_invalid_value_whole_message() -> None:
    error = refused("# ours\npython-3.12\n")
    assert error.text() == (
        "The Python version in your .python-version is not valid\n\n"
        ".python-version:2: python-3.12\n\n"
        "In this file there is no 'python-' before the number.\n\n"
        "Write this instead:\n\n    echo 3.12 > .python-version"
    )
    assert isinstance(error, InvalidVersionError)
    assert (error.line, error.value) == (2, "python-3.12")


def test_what_cannot_be_seen_is_shown_and_named() -> None:
    assert refused("\u200b3.12\x00").text() == (
        "The Python version in your .python-version is not valid\n\n"
        ".python-version:1: \\u200b3.12\\x00\n\n"
        "There is an invisible character in it: U+0000, a control character.\n"
        "There is an invisible character in it: U+200B, zero width space.\n\n"
        "Write this instead:\n\n    echo 3.12 > .python-version"
    )


@pytest.mark.parametrize(
    ("value", "headline", "reason_id"),
    [
        ("3.13t", "Free-threaded builds of Python are not supported", "free-threaded"),
        ("3.15.0rc1", "Pre-releases of Python are not supported", "pre-release"),
        ("pypy3.10", "CPython is the only Python that is supported", "implementation"),
    ],
)
def test_a_python_we_do_not_have_gets_a_message_of_its_own(
    value: str, headline: str, reason_id: str
) -> None:
    error = refused(value)
    assert error.brief == headline
    assert error.reason_id == f"python-version::{reason_id}"


@pytest.mark.parametrize("content", ["", "\n\n", "# 3.12\n"])
def test_empty_file(content: str) -> None:
    error = refused(content)
    assert isinstance(error, NoVersionInFileError)
    assert error.text() == (
        "No Python version was found in your .python-version\n\n"
        "The file has no line that is not empty or a comment.\n\n"
        "Write the version you want into it:\n\n    echo 3.14 > .python-version"
    )


def test_several_versions_are_all_listed_with_all_that_is_wrong_with_them() -> None:
    error = refused("3.12\n# or\npypy3.10\n")
    assert isinstance(error, MultipleVersionsError)
    assert error.lines == {1: "3.12", 3: "pypy3.10"}
    assert error.text() == (
        "More than one Python version was found in your .python-version\n\n"
        "  line 1: 3.12\n"
        "  line 3: pypy3.10\n"
        "          Apps run on CPython, the Python of python.org, alone.\n\n"
        "Keep one of these lines and remove the others. A comment begins with '#'."
    )


@pytest.mark.parametrize(
    ("content", "encoding", "version"),
    [
        ("3.12\r\n".encode("utf-16"), "UTF-16", "3.12"),
        ("3.12".encode("utf-16-be"), "UTF-16BE", "3.12"),
        ("3.12".encode("utf-16-le"), "UTF-16LE", "3.12"),
        ("3.12".encode("utf-32"), "UTF-32", "3.12"),
        (b"# caf\xe9\n3.11\n", "neither UTF-8 nor UTF-16, perhaps Latin-1", "3.11"),
        (b"\xe9\n", "neither UTF-8 nor UTF-16, perhaps Latin-1", "3.14"),
    ],
)
def test_other_encodings_are_named_and_read_all_the_same(
    content: bytes, encoding: str, version: str
) -> None:
    error = refused(content)
    assert isinstance(error, VersionFileEncodingError)
    assert error.text() == (
        "Your .python-version is not UTF-8 text\n\n"
        f"Its encoding is {encoding}.\n\n"
        "Save it again as UTF-8, without a byte order mark. For example:\n\n"
        f"    echo {version} > .python-version"
    )


def test_runtime_txt_wants_its_prefix_and_is_moved_away_from() -> None:
    assert str(parse("python-3.12.4\n", RUNTIME).requested) == "3.12.4"
    error = refused("3.12.4\n", RUNTIME)
    assert error.text() == (
        "The Python version in your runtime.txt is not valid\n\n"
        "runtime.txt:1: 3.12.4\n\n"
        "It must begin with 'python-'.\n\n"
        "Write this instead:\n\n    echo 3.12.4 > .python-version\n    git rm runtime.txt"
    )
    assert error.reason_id == "runtime-txt::invalid-version"


@pytest.mark.parametrize(
    ("content", "expected", "line"),
    [("# ours\r\npython-3.12\r\n", "3.12", 2), ("  python-3.12.4  ", "3.12.4", 1)],
)
def test_runtime_txt_has_comments_and_any_line_ends(content: str, expected: str, line: int) -> None:
    found = parse(content, RUNTIME)
    assert (str(found.requested), found.line) == (expected, line)


@pytest.mark.parametrize("content", ["pyhton-3.12", "Python-3.12", "python-3.12.x", "python3.12"])
def test_a_slip_in_runtime_txt_leads_to_the_file_that_replaces_it(content: str) -> None:
    error = refused(content, RUNTIME)
    assert error.reason_id == "runtime-txt::invalid-version"
    assert error.resolution == (
        "Write this instead:\n\n    echo 3.12 > .python-version\n    git rm runtime.txt"
    )


def app(root: Path, **files: str) -> App:
    for name, text in files.items():
        (root / name).write_text(text)
    return App(root=root)


def test_both_files_are_read(tmp_path: Path) -> None:
    files = {".python-version": "3.12\n", "runtime.txt": "python-3.13\n"}
    found = read_version_files(app(tmp_path, **files), POLICY)
    assert [(s.file, s.value, str(s.requested)) for s in found] == [
        (".python-version", "3.12", "3.12"),
        ("runtime.txt", "python-3.13", "3.13"),
    ]


def test_no_file_asks_for_nothing(tmp_path: Path) -> None:
    assert read_version_files(App(root=tmp_path), POLICY) == ()


@pytest.mark.parametrize(
    "name",
    [
        "python-version", "python_version", ".python_version", ".python-versions",
        ".python-version.txt", ".Python-version", ".pythonversion", ".python-version ",
        " .python-version", ".py-version", ",python-version", ".PYTHON-VERSION",
        ".python-verison", ".pyhton-version", "Python-Version.txt", "python version",
    ],
)  # fmt: skip
def test_misspelt_names_are_recognised(name: str) -> None:
    assert is_misspelt(name)


@pytest.mark.parametrize("name", [".python-version", "version", "python", ".python", "pythons.txt"])
def test_other_names_are_left_alone(name: str) -> None:
    assert not is_misspelt(name)


def test_a_misspelt_file_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MisspeltVersionFileError) as caught:
        read_version_files(app(tmp_path, **{".python_version": "3.12\n"}), POLICY)
    assert caught.value.text() == (
        "Your Python version file is not called .python-version\n\n"
        "Found: '.python_version'\n\n"
        "Rename it:\n\n    git mv '.python_version' .python-version"
    )


def test_misspelt_files_beside_the_right_one_are_all_named(tmp_path: Path) -> None:
    files = {".python-version": "3.12", "python-version": "3.11", ".python_version": "3.12"}
    with pytest.raises(MisspeltVersionFileError) as caught:
        read_version_files(app(tmp_path, **files), POLICY)
    assert caught.value.resolution == (
        "There is a .python-version as well. Remove what is not read:\n\n"
        "    git rm '.python_version' 'python-version'"
    )


def test_a_misspelt_name_counts_for_nothing_beside_runtime_txt(tmp_path: Path) -> None:
    files = {"runtime.txt": "python-3.12", "python-version": "3.11"}
    (tmp_path / "python_version").mkdir()  # a directory is no version file either
    assert len(read_version_files(app(tmp_path, **files), POLICY)) == 1
