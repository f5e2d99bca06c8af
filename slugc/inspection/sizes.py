"""``slugc inspect --sizes``: what each package weighs, and which files are the largest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from buildpack.support.errors import printable
from buildpack.support.values import value
from slugc.archive.headers import MemberKind
from slugc.inspection.contents import Contents, SlugEntry
from slugc.inspection.packages import Packages, SlugPackage
from slugc.inspection.wording import bar, counted, percent, shortened, size_text, table
from slugc.packing.layers import APP
from slugc.slug import Slug

_LARGEST = 10
_NAME, _OWNER, _BAR = 36, 20, 16


@value
class Remainder:
    """Files of one layer that are no package's."""

    layer: str
    files: int
    size: int

    @property
    def title(self) -> str:
        return "the app itself" if self.layer == APP else f"rest of {self.layer}"


def remainders(contents: Contents, packages: Packages) -> tuple[Remainder, ...]:
    """What no package brought, by layer."""
    files: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for entry in contents.entries:
        if entry.kind is not MemberKind.DIRECTORY and entry.path not in packages.owners:
            files[entry.layer] = files.get(entry.layer, 0) + 1
            sizes[entry.layer] = sizes.get(entry.layer, 0) + entry.size
    return tuple(Remainder(layer=x, files=files[x], size=sizes[x]) for x in files)


def largest_files(contents: Contents, count: int = _LARGEST) -> tuple[SlugEntry, ...]:
    """The largest files of all."""
    ordered = sorted(contents.entries, key=lambda entry: (-entry.size, entry.path))
    return tuple(entry for entry in ordered[:count] if entry.size)


def sizes_text(slug: Slug, contents: Contents, packages: Packages, *, width: int) -> str:
    """The table of packages, what is no package's, and the largest files."""
    total = sum(entry.size for entry in contents.entries)
    rest = remainders(contents, packages)
    name_width = max(16, min(_NAME, width - 44))
    rows = [("", "files", "size", "share", "")]
    rows += [
        (shortened(name, name_width), f"{files:,}", size_text(size), percent(size, total), drawn)
        for size, name, files in _lines(packages, rest)
        for drawn in (bar(size / total if total else 0, _BAR),)
    ]
    files = sum(1 for entry in contents.entries if entry.kind is not MemberKind.DIRECTORY)
    rows.append(("in all", f"{files:,}", size_text(total), "", ""))
    packed = slug.archive.stat().st_size
    ratio = f", {total / packed:.1f} times its packed size" if total else ""
    return (
        f"{printable(slug.metadata.name)}: {size_text(packed)} packed,"
        f" {size_text(total)} in {counted(files, 'file')}\n\n"
        f"{table(rows, right=(1, 2, 3), indent='')}\n"
        f"{counted(len(packages.packages), 'package')}{ratio}\n\n"
        f"Largest files\n{_largest(contents, packages.owners, width)}"
    )


def _lines(packages: Packages, rest: tuple[Remainder, ...]) -> list[tuple[int, str, int]]:
    lines = [(x.size, f"{x.name} {x.version}".rstrip(), x.files) for x in packages.packages]
    lines += [(each.size, each.title, each.files) for each in rest]
    return sorted(lines, key=lambda line: (-line[0], line[1]))


def _largest(contents: Contents, owners: Mapping[str, SlugPackage], width: int) -> str:
    rows = []
    for entry in largest_files(contents):
        owner = owners.get(entry.path)
        whose = shortened(owner.name if owner else entry.layer, _OWNER)
        path = shortened(entry.path, max(20, width - _OWNER - 16))
        rows.append((size_text(entry.size), whose, path))
    return table(rows, right=(0,))


def sizes_document(slug: Slug, contents: Contents, packages: Packages) -> dict[str, object]:
    """The same as data."""
    return {
        "packed": slug.archive.stat().st_size,
        "unpacked": sum(entry.size for entry in contents.entries),
        "packages": [package_document(package) for package in packages.packages],
        "rest": [dataclasses.asdict(each) for each in remainders(contents, packages)],
        "largest_files": [
            {
                "path": entry.path,
                "size": entry.size,
                "layer": entry.layer,
                "package": packages.owners[entry.path].name
                if entry.path in packages.owners
                else None,
            }
            for entry in largest_files(contents)
        ],
    }


def package_document(package: SlugPackage) -> dict[str, object]:
    """One package as data; its METADATA is not part of it."""
    return {
        "name": package.name,
        "version": package.version,
        "kind": package.kind,
        "files": package.files,
        "size": package.size,
        "licence": package.licence,
        "layer": package.layer,
        "path": package.path,
    }
