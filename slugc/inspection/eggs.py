"""Python's distributions as they were installed before .dist-info: in a .egg-info.

setuptools makes a directory of it, distutils a file; Debian's packages have both. Only those of a
directory that packages are installed to count: one in a source is the app's own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from buildpack.support.names import normalized
from slugc.inspection.distributions import FoundPackage, licence_of, parse_headers

_EGG_INFO = re.compile(r"(?P<info>(?:.*/)?(?:site|dist)-packages/[^/]+\.egg-info)(?P<file>/[^/]+)?")
_PYTHON = re.compile(r"-py\d[\d.]*$")
_TELLING = ("/PKG-INFO", "/installed-files.txt", "/top_level.txt", None)
_SITE = re.compile(r"(?:.*/)?(?:site|dist)-packages/")


def is_telling(path: str) -> bool:
    """Whether this says something about such a distribution."""
    if ".egg-info" not in path:
        return False
    found = _EGG_INFO.fullmatch(path)
    return found is not None and found["file"] in _TELLING


def find_eggs(
    kept: Mapping[str, bytes],
    paths: Collection[str],
    taken: Collection[str],
    known: Collection[str],
) -> Iterator[FoundPackage]:
    """Every such distribution that has no .dist-info; ``taken`` are paths of others, ``known``
    are others' names."""
    infos = sorted({found["info"] for path in kept if (found := _EGG_INFO.fullmatch(path))})
    if not infos:
        return
    files = _files(kept, infos, [path for path in paths if path not in taken])
    names = {normalized(name) for name in known}
    for info in infos:
        package = _egg(kept, info, files[info])
        if normalized(package.name) not in names:
            yield package


def _files(
    kept: Mapping[str, bytes], infos: Sequence[str], free: Collection[str]
) -> Mapping[str, list[str]]:
    """Whose the free paths are: as a list of files says, else by the module they belong to."""
    listed: dict[str, str] = {}
    modules: dict[str, str] = {}
    for info in infos:
        modules[info] = info
        named = _lines(kept, f"{info}/installed-files.txt")
        listed |= {posixpath.normpath(posixpath.join(info, name)): info for name in named}
        for name in () if named else _lines(kept, f"{info}/top_level.txt"):
            modules.setdefault(posixpath.join(posixpath.dirname(info), name), info)
    found: dict[str, list[str]] = {info: [] for info in infos}
    for path in free:
        if owner := listed.get(path) or _owner(path, modules):
            found[owner].append(path)
    return found


def _owner(path: str, modules: Mapping[str, str]) -> str | None:
    """Of ``site-packages/name/...``, and of ``site-packages/name.py`` and its like."""
    site = _SITE.match(path)
    if site is None:
        return None
    name = path[site.end() :].partition("/")[0]
    whole = modules.get(f"{site[0]}{name}")
    return whole or modules.get(f"{site[0]}{name.partition('.')[0]}")


def egg_headers(kept: Mapping[str, bytes], info: str) -> Mapping[str, tuple[str, ...]]:
    """What it says of itself, in the form of METADATA."""
    return parse_headers(kept.get(f"{info}/PKG-INFO", kept.get(info, b"")))


def _egg(kept: Mapping[str, bytes], info: str, files: Sequence[str]) -> FoundPackage:
    headers = egg_headers(kept, info)
    stem = _PYTHON.sub("", posixpath.basename(info).removesuffix(".egg-info"))
    name, _, version = stem.partition("-")
    return FoundPackage(
        name=headers.get("name", (name,))[0] or name,
        version=headers.get("version", (version,))[0] or version,
        licence=licence_of(headers),
        path=info,
        files=files,
        headers=headers,
    )


def _lines(kept: Mapping[str, bytes], path: str) -> tuple[str, ...]:
    lines = kept.get(path, b"").decode("utf-8", "replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
