"""Reads .python-version and runtime.txt: which Python the app asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildpack.app import App
from buildpack.versions.python_version import (
    RequestedPythonVersion,
    VersionOrigin,
    VersionPolicy,
    VersionSource,
    default_series,
)
from buildpack.versions.version_file_errors import (
    InvalidVersionError,
    MisspeltVersionFileError,
    MultipleVersionsError,
    NoVersionInFileError,
    VersionFileEncodingError,
)
from buildpack.versions.version_hints import Slip, explain_slip

VERSION = re.compile(r"(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})(?:\.(0|[1-9]\d{0,3}))?", re.ASCII)

MISSPELT_NAMES = frozenset(
    {
        # without the point, or with something else in its place
        "python-version", "python_version", "pythonversion", "python.version",
        ",python-version", "..python-version", "-python-version", "_python-version",
        # another sign between the words, or none
        ".python_version", ".pythonversion", ".python.version", ".python--version",
        ".python version", "python version",
        # more than one
        ".python-versions", "python-versions", ".python_versions", "python_versions",
        # an editor's ending
        ".python-version.txt", "python-version.txt", ".python_version.txt", "python_version.txt",
        ".python-version.text", ".python-version.md", ".python-version.rtf", ".python-version.",
        # letters left out, doubled or swapped
        ".pyhton-version", ".phyton-version", ".pyton-version", ".pthon-version",
        ".pythn-version", ".pytohn-version", ".python-verison", ".python-vesion",
        ".python-verion", ".python-verson", ".python-versoin", ".python-version-",
        # shorter
        ".py-version", "py-version", ".py_version",
    }
)  # fmt: skip
"""Names that people give the file; all of them would be ignored in silence otherwise.

Compared without regard to case and to blanks around them.
"""

UNICODE_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def read_version_files(app: App, policy: VersionPolicy) -> tuple[VersionSource, ...]:
    """What .python-version and runtime.txt ask for. Raises for one that cannot be used."""
    names = app.names()
    origins = (VersionOrigin.PYTHON_VERSION_FILE, VersionOrigin.RUNTIME_TXT)
    found = tuple(origin for origin in origins if origin in names)
    misspelt = tuple(sorted(name for name in names if is_misspelt(name) and app.is_file(name)))
    # As in Heroku's buildpack: whoever still has a runtime.txt has said which version is meant.
    if misspelt and VersionOrigin.RUNTIME_TXT not in found:
        raise MisspeltVersionFileError(misspelt, has_right_one=bool(found))
    return tuple(parse_version_file(app.read_bytes(origin), origin, policy) for origin in found)


def is_misspelt(name: str) -> bool:
    """Whether ``name`` was meant to be .python-version and is not."""
    plain = name.strip().lower()
    return plain in MISSPELT_NAMES or (plain == ".python-version" and name != ".python-version")


def parse_version_file(
    content: bytes, origin: VersionOrigin, policy: VersionPolicy
) -> VersionSource:
    """The one version in ``.python-version`` or ``runtime.txt``."""
    lines = _lines(_decode(content, origin, policy))
    if not lines:
        raise NoVersionInFileError(origin, default_series(policy.known))
    if len(lines) > 1:
        raise MultipleVersionsError(
            origin, lines, {n: _slip(line, origin, policy) for n, line in lines.items()}
        )
    ((number, line),) = lines.items()
    slip = _slip(line, origin, policy)
    if slip:
        raise InvalidVersionError(origin, number, line, slip)
    return VersionSource(
        origin=origin,
        file=str(origin),
        line=number,
        value=line,
        requested=parse_request(line.removeprefix(_prefix(origin)), origin),
        has_mark=content.startswith(b"\xef\xbb\xbf"),
    )


def parse_request(text: str, origin: VersionOrigin) -> RequestedPythonVersion | None:
    """``3.12`` or ``3.12.4`` as a value; None for anything else."""
    match = VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch = match.groups()
    return RequestedPythonVersion(
        major=int(major), minor=int(minor), patch=int(patch) if patch else None, origin=origin
    )


def _prefix(origin: VersionOrigin) -> str:
    return "python-" if origin is VersionOrigin.RUNTIME_TXT else ""


def _lines(text: str) -> Mapping[int, str]:
    stripped = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return {number: line for number, line in stripped if line and not line.startswith("#")}


def _slip(line: str, origin: VersionOrigin, policy: VersionPolicy) -> Slip | None:
    prefix = _prefix(origin)
    if line.startswith(prefix) and VERSION.fullmatch(line.removeprefix(prefix)):
        return None
    accepted = tuple(entry.series for entry in policy.accepted())
    slip = explain_slip(
        line.removeprefix(prefix), default=default_series(policy.known), accepted=accepted
    )
    if prefix and VERSION.fullmatch(line):
        return Slip(kind=slip.kind, reason=f"It must begin with '{prefix}'.", version=line)
    return slip


def _decode(content: bytes, origin: VersionOrigin, policy: VersionPolicy) -> str:
    encoding = _other_encoding(content)
    if encoding is None:
        return content.decode("utf-8-sig")
    # What it says can mostly be read all the same, and then stands in the advice.
    text = content.decode("latin-1" if encoding.startswith("neither") else encoding, "replace")
    line = next(iter(_lines(text).values()), "").removeprefix(_prefix(origin))
    request = parse_request(line, origin)
    raise VersionFileEncodingError(origin, encoding, str(request or default_series(policy.known)))


def _other_encoding(content: bytes) -> str | None:
    for mark, name in UNICODE_MARKS:
        if content.startswith(mark):
            return name
    if len(content) > 2 and not content[1] and content[0]:
        return "UTF-16LE"  # without a mark: every second byte of ASCII text is zero
    if len(content) > 2 and not content[0] and content[1]:
        return "UTF-16BE"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "neither UTF-8 nor UTF-16, perhaps Latin-1"
    return None
