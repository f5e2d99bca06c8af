"""Which packages are in a slug, and which files are whose.

Python's distributions say it themselves, in their RECORD. Packages of npm, RubyGems and Composer
are known by the directory they have to themselves, and so is a runtime.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum

from buildpack.support.values import NOTHING, value
from slugc.archive.headers import MemberKind
from slugc.inspection import composer, distributions, eggs, other_packages
from slugc.inspection.contents import Contents, SlugEntry, read_contents
from slugc.inspection.distributions import FoundPackage
from slugc.slug import Slug


class PackageKind(StrEnum):
    """Who knows the package by its name. The values are those of package URLs, but ``runtime``."""

    PYTHON = "pypi"
    NODE = "npm"
    RUBY = "gem"
    PHP = "composer"
    RUNTIME = "runtime"


@value
class SlugPackage:
    """A package in a slug. ``size`` counts the bytes of its files as they are unpacked."""

    name: str
    version: str
    kind: PackageKind
    files: int
    size: int
    licence: str | None
    """an SPDX expression where the package gives one, else its own words"""
    layer: str
    path: str
    """its .dist-info or .egg-info, or the directory it has to itself"""
    headers: Mapping[str, tuple[str, ...]] = NOTHING
    """of a Python distribution's METADATA, by lower-case name"""
    record_sha256: str | None = None
    """of a Python distribution's RECORD, which holds the digest of each of its files"""


@value
class Packages:
    """The packages of a slug, largest first, and for each path the one that brought it."""

    packages: tuple[SlugPackage, ...]
    owners: Mapping[str, SlugPackage]


def read_packages(slug: Slug) -> tuple[SlugPackage, ...]:
    """The packages in ``slug``, largest first: one pass over its stream."""
    contents = read_contents(slug, keep=describes_a_package)
    return find_packages(slug, contents).packages


def describes_a_package(path: str) -> bool:
    """Whether the file at ``path`` says something about a package."""
    return any(room.is_telling(path) for room in (distributions, eggs, composer, other_packages))


def find_packages(slug: Slug, contents: Contents) -> Packages:
    """Whose the files are; ``contents`` holds those that ``describes_a_package`` wants."""
    leaves = tuple(x for x in contents.entries if x.kind is not MemberKind.DIRECTORY)
    paths = {entry.path: entry for entry in leaves}
    found: list[tuple[PackageKind, FoundPackage]] = [
        (PackageKind.PYTHON, each) for each in distributions.find(contents.kept, paths)
    ]
    taken = {path for _, each in found for path in each.files}
    names = [each.name for _, each in found]
    found += [(PackageKind.PYTHON, x) for x in eggs.find_eggs(contents.kept, paths, taken, names)]
    found += [(PackageKind.NODE, x) for x in other_packages.find_node(contents.kept, paths)]
    found += [(PackageKind.RUBY, x) for x in other_packages.find_gems(contents.kept, paths)]
    found += [(PackageKind.PHP, x) for x in composer.find_php(contents.kept, paths)]
    version = slug.metadata.python_version
    taken = {path for _, each in found for path in each.files}
    runtimes = other_packages.find_runtimes(paths, taken, version)
    found += [(PackageKind.RUNTIME, each) for each in runtimes]
    return _counted(found, paths)


def _counted(
    found: Sequence[tuple[PackageKind, FoundPackage]], paths: Mapping[str, SlugEntry]
) -> Packages:
    """A file that two packages name is the first one's, so that sizes add up."""
    packages: list[SlugPackage] = []
    owners: dict[str, SlugPackage] = {}
    for kind, each in found:
        own = [path for path in dict.fromkeys(each.files) if path not in owners]
        layers = Counter(paths[path].layer for path in own)
        package = SlugPackage(
            name=each.name,
            version=each.version,
            kind=kind,
            files=len(own),
            size=sum(paths[path].size for path in own),
            licence=each.licence,
            layer=layers.most_common(1)[0][0] if layers else "",
            path=each.path,
            headers=each.headers,
            record_sha256=each.record_sha256,
        )
        packages.append(package)
        owners.update(dict.fromkeys(own, package))
    packages.sort(key=lambda package: (-package.size, package.name, package.path))
    return Packages(packages=tuple(packages), owners=owners)
