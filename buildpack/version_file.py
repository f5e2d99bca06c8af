"""Reads .python-version (and runtime.txt): which Python the app asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildpack.app import App
from buildpack.python_version import (
    RequestedPythonVersion,
    VersionOrigin,
    default_series,
    read_known_versions,
)
from buildpack.support.errors import SlugkitError, printable

MISSPELT_NAMES = (
    "python-version",
    "python_version",
    ".python_version",
    ".python-versions",
    ".python-version.txt",
    ".Python-version",
    ".pythonversion",
    ".python-version ",
    " .python-version",
    ".py-version",
    ",python-version",
)
"""Names people really gave the file; all of them would be ignored in silence otherwise."""


class PythonVersionFileError(SlugkitError):
    """.python-version or runtime.txt cannot be used."""

    id = "python-version-file::invalid"


class MisspeltVersionFileError(PythonVersionFileError):
    id = "python-version-file::misspelt"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            "Your Python version file is not called .python-version",
            details=f"Found: '{printable(found)}'",
            resolution=f"Rename it:\n\n    git mv '{printable(found)}' .python-version",
        )


class VersionFileEncodingError(PythonVersionFileError):
    id = "python-version-file::invalid-encoding"

    def __init__(self, name: str, encoding: str) -> None:
        self.name, self.encoding = name, encoding
        super().__init__(
            f"Your {name} is not UTF-8 text",
            details=f"It looks like {encoding}.",
            resolution=f"Save it again as UTF-8, for example with:\n\n    echo 3.13 > {name}",
        )


class NoVersionInFileError(PythonVersionFileError):
    id = "python-version-file::no-version"

    def __init__(self, name: str, example: str) -> None:
        self.name = name
        super().__init__(
            f"No Python version was found in your {name}",
            details="The file has no line that is not empty or a comment.",
            resolution=f"Write the version you want into it:\n\n    echo {example} > {name}",
        )


class MultipleVersionsError(PythonVersionFileError):
    id = "python-version-file::multiple-versions"

    def __init__(self, name: str, lines: Mapping[int, str]) -> None:
        self.name, self.lines = name, dict(lines)
        listing = "\n".join(f"  line {n}: {printable(text)}" for n, text in lines.items())
        super().__init__(
            f"More than one Python version was found in your {name}",
            details=listing,
            resolution="Keep one of these lines and remove the others.",
        )


class InvalidVersionError(PythonVersionFileError):
    id = "python-version-file::invalid-version"

    def __init__(self, name: str, line: int, value: str, example: str) -> None:
        self.name, self.line, self.value = name, line, value
        prefix = "python-" if name == VersionOrigin.RUNTIME_TXT else ""
        super().__init__(
            f"The Python version in your {name} is not valid",
            details=f"Line {line}: {printable(value)}",
            resolution=f"It must be a number like {prefix}{example}, or with a patch release,\n"
            f"like {prefix}{example}.1: no quotes, no 'v', no wildcards or ranges{_no(prefix)}.\n"
            f"For example:\n\n    echo {prefix}{example} > {name}",
        )


def _no(prefix: str) -> str:
    return "" if prefix else ",\nno 'python-' before it"


class ConflictingVersionsError(PythonVersionFileError):
    id = "python-version::conflict"

    def __init__(self, first: RequestedPythonVersion, second: RequestedPythonVersion) -> None:
        self.first, self.second = first, second
        super().__init__(
            "Your app asks for two different Python versions",
            details=f"  {first.origin}: {first}\n  {second.origin}: {second}",
            resolution="Keep .python-version and remove the other:\n\n    git rm runtime.txt",
        )


def parse_version_file(content: bytes, origin: VersionOrigin) -> RequestedPythonVersion:
    """The one version in ``.python-version`` or ``runtime.txt``."""
    example = default_series(read_known_versions())
    text = _decode(content, origin)
    stripped = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    lines = {number: line for number, line in stripped if line and not line.startswith("#")}
    if not lines:
        raise NoVersionInFileError(origin, _prefixed(origin, example))
    if len(lines) > 1:
        raise MultipleVersionsError(origin, lines)
    ((number, line),) = lines.items()
    prefix = "python-" if origin is VersionOrigin.RUNTIME_TXT else ""
    match = re.fullmatch(rf"{prefix}(0|[1-9]\d?)\.(0|[1-9]\d?)(?:\.(0|[1-9]\d?))?", line, re.ASCII)
    if match is None:
        raise InvalidVersionError(origin, number, line, example)
    major, minor, patch = match.groups()
    return RequestedPythonVersion(
        major=int(major), minor=int(minor), patch=int(patch) if patch else None, origin=origin
    )


def _prefixed(origin: VersionOrigin, example: str) -> str:
    return f"python-{example}" if origin is VersionOrigin.RUNTIME_TXT else example


def _decode(content: bytes, name: str) -> str:
    for mark in (b"\xff\xfe", b"\xfe\xff"):
        if content.startswith(mark):
            raise VersionFileEncodingError(name, "UTF-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise VersionFileEncodingError(name, "another encoding, such as Latin-1") from err


def read_requested_python_version(app: App) -> RequestedPythonVersion | None:
    """What the app asks for, or None when it asks for nothing."""
    names = app.names()
    for name in MISSPELT_NAMES:
        if name in names:
            raise MisspeltVersionFileError(name)
    requests = [
        parse_version_file(app.read_bytes(origin), origin)
        for origin in (VersionOrigin.PYTHON_VERSION_FILE, VersionOrigin.RUNTIME_TXT)
        if origin in names
    ]
    if len(requests) == 2 and str(requests[0]) != str(requests[1]):
        raise ConflictingVersionsError(*requests)
    return requests[0] if requests else None
