"""python_version: the grammar of .python-version and the versions we accept."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.python_version import (
    EndOfLifeVersionError,
    PythonVersion,
    RequestedPythonVersion,
    UnknownVersionError,
    VersionOrigin,
    VersionStatus,
    check_requested_version,
    default_series,
    parse_exact_version,
    read_known_versions,
    version_warnings,
)
from buildpack.version_file import (
    ConflictingVersionsError,
    InvalidVersionError,
    MisspeltVersionFileError,
    MultipleVersionsError,
    NoVersionInFileError,
    VersionFileEncodingError,
    parse_version_file,
    read_requested_python_version,
)

FILE = VersionOrigin.PYTHON_VERSION_FILE


def requested(text: str) -> RequestedPythonVersion:
    return parse_version_file(text.encode(), FILE)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"3.13", "3.13"),
        (b"3.13.1\n", "3.13.1"),
        (b"# why\r\n\r\n  3.12 \r\n", "3.12"),
        (b"\xef\xbb\xbf3.11\n", "3.11"),
    ],
)
def test_valid_files(content: bytes, expected: str) -> None:
    assert str(parse_version_file(content, FILE)) == expected


@pytest.mark.parametrize(
    "value",
    [
        "python-3.12", '"3.12"', "3.12.*", ">=3.12", "latest", "pypy3.10", "v3.12", "3", "3.012",
        "3.12 # inline", "3.12.1.1", "\u200b3.12", "٣.12",
    ],
)  # fmt: skip
def test_invalid_values_are_shown_with_their_line(value: str) -> None:
    with pytest.raises(InvalidVersionError) as caught:
        requested(f"# comment\n{value}\n")
    assert (caught.value.line, caught.value.value) == (2, value)


def test_invalid_value_whole_message() -> None:
    with pytest.raises(InvalidVersionError) as caught:
        requested("python-3.12\x00")
    assert caught.value.text() == (
        "The Python version in your .python-version is not valid\n\n"
        "Line 1: python-3.12\\x00\n\n"
        "It must be a number like 3.14, or with a patch release,\n"
        "like 3.14.1: no quotes, no 'v', no wildcards or ranges,\nno 'python-' before it.\n"
        "For example:\n\n    echo 3.14 > .python-version"
    )


@pytest.mark.parametrize("content", ["", "\n\n", "# 3.12\n"])
def test_empty_file(content: str) -> None:
    with pytest.raises(NoVersionInFileError) as caught:
        requested(content)
    assert caught.value.text() == (
        "No Python version was found in your .python-version\n\n"
        "The file has no line that is not empty or a comment.\n\n"
        "Write the version you want into it:\n\n    echo 3.14 > .python-version"
    )


def test_several_versions_are_all_listed() -> None:
    with pytest.raises(MultipleVersionsError) as caught:
        requested("3.12\n# or\n3.13\n")
    assert caught.value.lines == {1: "3.12", 3: "3.13"}
    assert caught.value.details == "  line 1: 3.12\n  line 3: 3.13"


@pytest.mark.parametrize("content", ["3.12".encode("utf-16"), b"\xe9\n"])
def test_other_encodings_are_named(content: bytes) -> None:
    with pytest.raises(VersionFileEncodingError) as caught:
        parse_version_file(content, FILE)
    assert caught.value.brief == "Your .python-version is not UTF-8 text"


def test_runtime_txt_wants_its_prefix() -> None:
    found = parse_version_file(b"python-3.12.4\n", VersionOrigin.RUNTIME_TXT)
    assert str(found) == "3.12.4"
    with pytest.raises(InvalidVersionError):
        parse_version_file(b"3.12.4\n", VersionOrigin.RUNTIME_TXT)


def test_two_files_that_disagree(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.12\n")
    (tmp_path / "runtime.txt").write_text("python-3.13\n")
    with pytest.raises(ConflictingVersionsError) as caught:
        read_requested_python_version(App(root=tmp_path))
    assert caught.value.details == "  .python-version: 3.12\n  runtime.txt: 3.13"


def test_a_misspelt_file_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".python_version").write_text("3.12\n")
    with pytest.raises(MisspeltVersionFileError) as caught:
        read_requested_python_version(App(root=tmp_path))
    assert caught.value.resolution == "Rename it:\n\n    git mv '.python_version' .python-version"


def test_no_file_asks_for_nothing(tmp_path: Path) -> None:
    assert read_requested_python_version(App(root=tmp_path)) is None


def test_end_of_life_has_its_date() -> None:
    with pytest.raises(EndOfLifeVersionError) as caught:
        check_requested_version(requested("3.8"), read_known_versions())
    assert caught.value.text() == (
        "Python 3.8 is no longer supported\n\n"
        "Your .python-version asks for Python 3.8. It has had no\n"
        "security fixes since 2024-10.\n\n"
        "Choose a version from 3.10 to 3.14. For example:\n\n    echo 3.14 > .python-version"
    )


@pytest.mark.parametrize("text", ["3.99", "4.0"])
def test_unknown_version(text: str) -> None:
    with pytest.raises(UnknownVersionError) as caught:
        check_requested_version(requested(text), read_known_versions())
    assert caught.value.brief == f"Python {text} is not a version we know"


def test_without_a_patch_every_patch_is_accepted() -> None:
    version = PythonVersion(major=3, minor=12, patch=7)
    assert requested("3.12").accepts(version)
    assert requested("3.12.7").accepts(version)
    assert not requested("3.12.6").accepts(version)
    assert not requested("3.1").accepts(version)


def test_the_data_file_is_newest_first_and_its_default_is_stable() -> None:
    known = read_known_versions()
    order = [entry.latest for entry in known.values()]
    assert order == sorted(order, reverse=True)
    assert known[default_series(known)].status is VersionStatus.STABLE


def warnings_for(text: str, origin: VersionOrigin) -> tuple[str, ...]:
    version = parse_exact_version(text)
    return version_warnings(origin, version, read_known_versions()[version.series])


def test_a_version_that_ends_soon_is_warned_about() -> None:
    assert warnings_for("3.10.1", FILE) == (
        "Python 3.10 gets no more security fixes\n\n"
        "They ended in 2026-10, and support for it ends soon. Choose a newer\n"
        "version in .python-version.",
    )
    assert warnings_for("3.13.0", FILE) == ()


def test_runtime_txt_is_deprecated() -> None:
    (warning,) = warnings_for("3.13.0", VersionOrigin.RUNTIME_TXT)
    assert warning == (
        "runtime.txt is deprecated\n\nWrite the version into .python-version instead:\n\n"
        "    echo 3.13 > .python-version\n    git rm runtime.txt"
    )
