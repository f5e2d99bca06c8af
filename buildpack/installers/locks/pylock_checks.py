"""Every mistake in the packages of a pylock.toml (PEP 751); uv stops at the first one.

It also installs, with a warning, what has an empty table of hashes: the format asks for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildpack.installers.locks.lock_markers import (
    MarkerSyntaxError,
    MarkerTooLargeError,
    parse_marker,
)
from buildpack.installers.locks.project_errors import InvalidLockError
from buildpack.installers.locks.project_file import Table, table, tables, text_of
from buildpack.support.errors import printable

HEADER = re.compile(r"\s*\[\[\s*packages\s*\]\]")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
VERSION = re.compile(r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9.]+)?")
"""Versions as tools write them; any other is read by ``packaging``."""
DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}

Mistake = tuple[str, str]
"""The part of the package's text that is wrong, to find its line by, and what is wrong with it."""


def read_packages(file: str, text: str, lock: Table, command: str) -> tuple[Table, ...]:
    """The packages of the lock. Raises with all that is wrong with them, line by line."""
    packages = lock.get("packages", [])
    if not isinstance(packages, list) or len(tables(packages)) < len(packages):
        raise InvalidLockError(file, [f"{file}: packages is not an array of tables."], command)
    found = tables(packages)
    mistakes = [(n, mistake) for n, package in enumerate(found) for mistake in _mistakes(package)]
    if mistakes:
        blocks = _Blocks(file, text, len(found))
        problems = [f"{blocks.place(n, part)}: {message}" for n, (part, message) in mistakes]
        raise InvalidLockError(file, problems, command)
    return found


class _Blocks:
    """Which lines of the file belong to which package."""

    def __init__(self, file: str, text: str, count: int) -> None:
        self.file, self.lines = file, text.splitlines()
        self.starts = [n for n, line in enumerate(self.lines) if HEADER.match(line)]
        self.is_known = len(self.starts) == count

    def place(self, number: int, part: str) -> str:
        if not self.is_known:
            return self.file
        start, *rest = self.starts[number:]
        lines = range(start, rest[0] if rest else len(self.lines))
        found = next((n for n in lines if part and part in self.lines[n]), start)
        return f"{self.file}:{found + 1}"


def _mistakes(package: Table) -> Iterator[Mistake]:
    name, version = text_of(package.get("name")), package.get("version")
    label = printable(name) or "this package"
    if not name:
        yield "", "this package has no name."
    elif not NAME.fullmatch(name):
        yield name, f"'{label}' is no name of a package."
    if version is not None and not _is_version(text_of(version)):
        yield str(version), f"{label}: '{printable(str(version))}' is no version."
    marker = package.get("marker")
    if marker is not None and not _is_marker(text_of(marker)):
        yield str(marker), f"{label}: its marker '{printable(str(marker))}' is none."
    yield from ((part, f"{label}: {message}") for part, message in _origin_mistakes(package))


def _origin_mistakes(package: Table) -> Iterator[Mistake]:
    """What is wrong with where the package comes from."""
    vcs, directory, wheels = package.get("vcs"), package.get("directory"), package.get("wheels")
    files = [package[kind] for kind in ("archive", "sdist") if kind in package]
    if wheels is not None and not isinstance(wheels, list):
        yield "wheels", "its wheels are no array of tables."
        return
    files += wheels or []
    if vcs is None and directory is None and not files:
        yield "", "it has no wheels, sdist, archive, directory or vcs to install."
    if vcs is not None and not (text_of(table(vcs).get("commit-id")) and _is_placed(vcs)):
        yield "vcs", "its vcs needs a commit-id, and a url or a path."
    if directory is not None and not text_of(table(directory).get("path")):
        yield "directory", "its directory has no path."
    for file in files:
        yield from _file_mistakes(table(file))


def _file_mistakes(file: Table) -> Iterator[Mistake]:
    place = text_of(file.get("url")) or text_of(file.get("path"))
    shown = printable(text_of(file.get("name")) or place.rpartition("/")[2]) or "one of its files"
    if not place:
        yield text_of(file.get("name")), f"{shown} has neither url nor path."
    hashes = table(file, "hashes")
    if not hashes:
        yield place, f"{shown} has no hashes."
    for algorithm, digest in hashes.items():
        length = DIGEST_LENGTHS.get(algorithm)
        is_hex = re.fullmatch(r"[0-9a-fA-F]+", text_of(digest)) is not None
        if not is_hex or (length and len(text_of(digest)) != length):
            yield text_of(digest), f"{shown} has a {printable(algorithm)} that is none."


def _is_placed(vcs: object) -> bool:
    return any(text_of(table(vcs).get(key)) for key in ("url", "path"))


def _is_version(text: str) -> bool:
    if VERSION.fullmatch(text):
        return True
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _is_marker(text: str) -> bool:
    try:
        parse_marker(text)
    except MarkerTooLargeError:
        return True
    except MarkerSyntaxError:
        return False
    return bool(text.strip())
