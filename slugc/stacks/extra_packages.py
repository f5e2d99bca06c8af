"""Packages that somebody wants on a stack image beside the recipe's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable, printable_path
from slugc.small_file import read_bounded

_MOST = 64 * 1024
_SHOWN = 20
# https://www.debian.org/doc/debian-policy/ch-controlfields.html#source. Nothing else: the names
# become words of a command line, where apt-get takes a minus at the end for "remove it".
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.]")


class PackageNameError(UsageError):
    """What is asked for is no name of a Debian package."""

    id = "package-name"

    def __init__(self, wrong: Iterable[str]) -> None:
        self.wrong = tuple(wrong)
        lines = [f"- {each}" for each in self.wrong[:_SHOWN]]
        if len(self.wrong) > _SHOWN:
            lines.append(f"and {len(self.wrong) - _SHOWN:,} more")
        super().__init__(
            "A stack image takes names of Debian packages",
            details="\n".join(lines),
            resolution="URLs, files, repositories and versions, which Aptfiles may hold too, are\n"
            "for apt buildpacks alone.",
        )


class AptfileUnreadableError(SlugkitError):
    """The list of packages cannot be read."""

    exit_code = ExitCode.NO_INPUT
    id = "aptfile-unreadable"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(f"{printable_path(path)} cannot be read", details=found)


def extra_packages(names: Iterable[str], aptfile: Path | None) -> tuple[str, ...]:
    """What ``--package`` and ``--aptfile`` name, sorted. Every mistake is told at once."""
    asked = [(f"--package: '{printable(name)}'", name) for name in names]
    if aptfile is not None:
        asked += _lines(aptfile)
    if wrong := [where for where, name in asked if not _NAME.fullmatch(name)]:
        raise PackageNameError(wrong)
    return tuple(sorted({name for _, name in asked}))


def _lines(aptfile: Path) -> Iterator[tuple[str, str]]:
    """Where each word of the file stands, and the word; comments begin with #."""
    content = read_bounded(
        aptfile, limit=_MOST, refuse=lambda found: AptfileUnreadableError(aptfile, found)
    )
    if content is None:
        raise AptfileUnreadableError(aptfile, "No such file.")
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        for word in line.partition("#")[0].split():
            yield f"{printable_path(aptfile)}:{number}: '{printable(word)}'", word
