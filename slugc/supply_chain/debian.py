"""Debian packages that a buildpack unpacked into the app (``.apt``), as far as they can be told.

Unpacked is not installed: no dpkg keeps a list. What a package leaves is its changelog, whose
first line names its version; or a status file, where a buildpack wrote one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping

from buildpack.support.values import value

_NAME = r"[a-z0-9][a-z0-9+.-]*"
_CHANGELOG = re.compile(
    rf"(?P<root>.+)/usr/share/doc/(?P<name>{_NAME})/changelog(?:\.Debian)?(?:\.[a-z0-9]+)?\.gz"
)
_STATUS = re.compile(r"(?P<root>.+)/var/lib/dpkg/(?:status|status\.d/[^/]+)")
_FIRST_LINE = re.compile(rf"(?P<source>{_NAME}) \((?P<version>[^()\s]+)\) [^;]*; urgency=")
_LONGEST_LINE = 4096


@value
class DebianPackage:
    """A package below ``path``. ``arch`` is empty where nothing tells it."""

    name: str
    version: str
    arch: str
    path: str


def is_telling(path: str) -> bool:
    """Whether the file at ``path`` says something about a Debian package."""
    if "/changelog" in path:
        return _CHANGELOG.fullmatch(path) is not None
    return "/dpkg/status" in path and _STATUS.fullmatch(path) is not None


def find_debian(kept: Mapping[str, bytes]) -> tuple[DebianPackage, ...]:
    """Every package that can be told, by root and name; a status file knows better."""
    found: dict[tuple[str, str], DebianPackage] = {}
    for path in sorted(kept):
        if match := _CHANGELOG.fullmatch(path):
            version = _version(kept[path])
            if version and (match["root"], match["name"]) not in found:
                found[match["root"], match["name"]] = DebianPackage(
                    name=match["name"], version=version, arch="", path=match["root"]
                )
    for path in sorted(kept):
        if match := _STATUS.fullmatch(path):
            for package in _installed(kept[path], match["root"]):
                found[package.path, package.name] = package
    return tuple(found[key] for key in sorted(found))


def _version(content: bytes) -> str | None:
    try:
        text = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, _LONGEST_LINE)
    except zlib.error:
        return None
    match = _FIRST_LINE.match(text.decode("utf-8", "replace"))
    return match["version"] if match else None


def _installed(content: bytes, root: str) -> Iterator[DebianPackage]:
    for paragraph in re.split(r"\n\s*\n", content.decode("utf-8", "replace")):
        fields = dict(
            re.findall(r"^(Package|Version|Architecture|Status): *(\S.*?) *$", paragraph, re.M)
        )
        gone = not fields.get("Status", "install ok installed").endswith(" installed")
        if gone or not re.fullmatch(_NAME, fields.get("Package", "")) or not fields.get("Version"):
            continue
        yield DebianPackage(
            name=fields["Package"],
            version=fields["Version"],
            arch=fields.get("Architecture", ""),
            path=root,
        )
