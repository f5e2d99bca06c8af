"""Everything installed in a slug, with a digest of its content: one pass over the slug's stream."""

from __future__ import annotations

import base64
import csv
import hashlib
import posixpath
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

from buildpack.support.cyclonedx import json_object, pypi_purl
from buildpack.support.licences import Licences, expressed, licences
from buildpack.support.values import NOTHING, value
from buildpack.support.values import changed as altered
from slugc.archive.headers import MemberKind
from slugc.inspection.contents import SlugEntry, read_contents
from slugc.inspection.distributions import parse_headers
from slugc.inspection.eggs import egg_headers
from slugc.inspection.packages import (
    PackageKind,
    Packages,
    SlugPackage,
    describes_a_package,
    find_packages,
)
from slugc.slug import Slug
from slugc.supply_chain.debian import DebianPackage, find_debian
from slugc.supply_chain.debian import is_telling as tells_of_debian
from slugc.supply_chain.locks import (
    Archive,
    Locked,
    installed_archive,
    is_lock,
    read_locks,
    read_node_lock,
)
from slugc.supply_chain.yanked import YANKED, find_yanked

DEBIAN = "deb"
NOTES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
"""What whoever installs adds to a .dist-info: not the distribution's content."""

_BESIDE = frozenset({"WHEEL", "direct_url.json"})
_SITES = frozenset({"site-packages", "dist-packages"})
_VERSION_FILES = {
    "python": (re.compile(r"include/[^/]+/patchlevel\.h"), re.compile(rb'PY_VERSION\s+"([^"]+)"')),
    "node": (
        re.compile(r"include/node/node_version\.h"),
        re.compile(rb"#define NODE_(?:MAJOR|MINOR|PATCH)_VERSION (\d+)"),
    ),
}


@value
class Item:
    """One installed package. ``ref`` tells two of one name and version apart."""

    kind: str
    """pypi, npm, gem, composer, deb or runtime"""
    name: str
    version: str
    path: str
    layer: str
    purl: str
    ref: str
    content: str | None = None
    """The directory hash of its files (in-toto's dirHash): sha256 over their sorted listing."""
    missing: int = 0
    changed: int = 0
    """Files that its RECORD names and that are not there, or not as it says."""
    bundled: bool = False
    """Carried by another package, not installed by itself."""
    archive: Archive | None = None
    licences: Licences
    headers: Mapping[str, tuple[str, ...]] = NOTHING
    direct_url: bytes | None = None
    yanked: str | None = None
    """Why its authors withdrew it, where the index said so when it was installed."""


def read_inventory(slug: Slug) -> tuple[Item, ...]:
    """Every package that can be told, by kind, name, version and place."""
    contents = read_contents(slug, keep=_is_telling, digests=True)
    files = {e.path: e for e in contents.entries if e.kind is MemberKind.FILE}
    looker = _Looker(slug, contents.kept, files, find_packages(slug, contents))
    return tuple(_told_apart(sorted(looker.items(), key=_order)))


def _is_telling(path: str) -> bool:
    name = path.rpartition("/")[2]
    return (
        describes_a_package(path)
        or (name in _BESIDE and ".dist-info/" in path)
        or is_lock(path)
        or tells_of_debian(path)
        or name in {"patchlevel.h", "node_version.h", YANKED}
    )


def _order(item: Item) -> tuple[str, str, str, bool, str]:
    return item.kind, item.name.lower(), item.version, item.bundled, item.path


def _told_apart(items: Iterable[Item]) -> Iterator[Item]:
    seen: set[str] = set()
    for item in items:
        ref = item.purl if item.purl not in seen else f"{item.purl}#{item.path}"
        while ref in seen:
            ref += "'"
        seen.add(ref)
        yield altered(item, ref=ref)


def dir_hash(digests: Mapping[str, bytes]) -> str | None:
    """The sha256 of what ``sha256sum`` prints for these files in the order of their names."""
    if not digests or any("\n" in name for name in digests):
        return None
    listing = hashlib.sha256()
    for name, digest in sorted((_raw(name), digest) for name, digest in digests.items()):
        listing.update(b"%s  %s\n" % (digest.hex().encode(), name))
    return listing.hexdigest()


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


class _Looker:
    """What was read of the slug, and the items made of it."""

    def __init__(
        self,
        slug: Slug,
        kept: Mapping[str, bytes],
        files: Mapping[str, SlugEntry],
        packages: Packages,
    ) -> None:
        self._slug, self._kept, self._files = slug, kept, files
        self._packages = packages.packages
        self._locked: Locked = read_locks(kept)
        self._node_lock = read_node_lock(kept)
        self._yanked = dict(find_yanked(kept, files))
        self._own: dict[str, dict[str, bytes]] = {package.path: {} for package in self._packages}
        for path, package in packages.owners.items():
            if path in files and not path.endswith(".pyc"):
                name = path.removeprefix(f"{package.path}/")
                self._own[package.path][name] = files[path].digest

    def items(self) -> Iterator[Item]:
        for package in self._packages:
            match package.kind:
                case PackageKind.PYTHON:
                    yield self._python(package)
                case PackageKind.NODE:
                    yield self._node(package)
                case PackageKind.RUNTIME:
                    yield self._runtime(package)
                case PackageKind.PHP:
                    yield self._php(package)
                case _:
                    yield self._other(package, f"pkg:{package.kind}")
        for debian in find_debian(self._kept):
            yield self._debian(debian)

    def _python(self, package: SlugPackage) -> Item:
        is_egg = package.path.endswith(".egg-info")
        headers = (
            egg_headers(self._kept, package.path)
            if is_egg
            else parse_headers(self._kept.get(f"{package.path}/METADATA", b""))
        )
        content, missing, changed = self._recorded(package.path)
        site = posixpath.dirname(package.path)
        wheel = parse_headers(self._kept.get(f"{package.path}/WHEEL", b""))
        key = pypi_purl(package.name, "")[len("pkg:pypi/") : -1], package.version
        bundled = posixpath.basename(site) not in _SITES
        archives = frozenset() if bundled else self._locked.get(key, frozenset())
        return Item(
            kind="pypi",
            name=_shown(package.name),
            version=_shown(package.version),
            path=_shown(package.path),
            layer=package.layer,
            purl=pypi_purl(_shown(package.name), _shown(package.version)),
            ref="",
            content=dir_hash(self._own[package.path]) if is_egg else content,
            missing=missing,
            changed=changed,
            bundled=bundled,
            archive=installed_archive(archives, wheel.get("tag", ())) if archives else None,
            licences=licences(headers),
            headers=headers,
            direct_url=self._kept.get(f"{package.path}/direct_url.json"),
            yanked=self._yanked.get((site, f"{key[0]}=={package.version}")),
        )

    def _recorded(self, info: str) -> tuple[str | None, int, int]:
        """The directory hash of what RECORD lists; how much of it is missing, and changed."""
        site = posixpath.dirname(info)
        text = self._kept.get(f"{info}/RECORD", b"").decode("utf-8", "surrogateescape")
        found: dict[str, bytes] = {}
        missing = changed = 0
        for row in csv.reader(text.replace("\0", "").splitlines()):
            if not row or row[0].endswith(".pyc") or _is_note(row[0], info):
                continue
            entry = self._files.get(posixpath.normpath(posixpath.join(site, row[0])))
            if entry is None:
                missing += 1
                continue
            found[row[0]] = entry.digest
            changed += _differs(row[1] if len(row) > 1 else "", entry.digest)
        return dir_hash(found), missing, changed

    def _node(self, package: SlugPackage) -> Item:
        said = json_object(self._kept.get(f"{package.path}/package.json"))
        version, archive = self._node_lock.get(package.path, ("", None))
        name = urllib.parse.quote(_shown(package.name), safe="/")
        item = self._other(package, "pkg:npm", name=name)
        described = said.get("description")
        headers = {"summary": (described,)} if isinstance(described, str) else NOTHING
        known = archive if version == package.version else None
        return altered(item, archive=known, headers=headers)

    def _php(self, package: SlugPackage) -> Item:
        vendor, _, name = package.name.partition("/")  # a namespace and a name, in a package URL
        return self._other(package, f"pkg:composer/{vendor}", name=name)

    def _runtime(self, package: SlugPackage) -> Item:
        version = package.version or self._version_of(package)
        item = self._other(altered(package, version=version), "pkg:generic")
        return altered(item, kind="runtime")

    def _version_of(self, package: SlugPackage) -> str:
        where, what = _VERSION_FILES.get(package.name, (None, None))
        for path in sorted(self._kept):
            inside = path.removeprefix(f"{package.path}/")
            if where and what and inside != path and where.fullmatch(inside):
                return b".".join(what.findall(self._kept[path])).decode("utf-8", "replace")
        return ""

    def _other(self, package: SlugPackage, scheme: str, *, name: str | None = None) -> Item:
        spelled = name or urllib.parse.quote(_shown(package.name), safe="")
        return Item(
            kind=str(package.kind),
            name=_shown(package.name),
            version=_shown(package.version),
            path=_shown(package.path),
            layer=package.layer,
            purl=_versioned(f"{scheme}/{spelled}", _shown(package.version)),
            ref="",
            content=dir_hash(self._own[package.path]),
            licences=[expressed(package.licence)] if package.licence else [],
        )

    def _debian(self, package: DebianPackage) -> Item:
        stack = self._slug.metadata.stack
        qualifiers = [f"arch={package.arch}"] if package.arch else []
        qualifiers.append(f"distro={urllib.parse.quote(stack.id, safe='')}")
        space = urllib.parse.quote(stack.distribution, safe="")
        name = urllib.parse.quote(package.name, safe="")
        purl = _versioned(f"pkg:deb/{space}/{name}", package.version)
        return Item(
            kind=DEBIAN,
            name=package.name,
            version=package.version,
            path=_shown(package.path),
            layer=self._layer_of(package.path),
            purl=f"{purl}?{'&'.join(qualifiers)}",
            ref="",
            licences=[],
        )

    def _layer_of(self, path: str) -> str:
        inside = (e.layer for name, e in self._files.items() if name.startswith(f"{path}/"))
        return next(inside, "")


def _versioned(purl: str, version: str) -> str:
    return f"{purl}@{urllib.parse.quote(version, safe='')}" if version else purl


def _is_note(name: str, info: str) -> bool:
    directory, _, last = name.rpartition("/")
    return directory == posixpath.basename(info) and last in NOTES


def _differs(recorded: str, digest: bytes) -> bool:
    """Whether RECORD gives another digest; entries without one are not wrong."""
    kind, _, encoded = recorded.partition("=")
    wanted = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return kind == "sha256" and encoded.rstrip("=") != wanted


def _shown(text: str) -> str:
    """A name as UTF-8 can hold it: names in a slug are bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
