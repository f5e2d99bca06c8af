"""What is said at the end of a build: how large the packages are, and what took how long.

Sizes come from each distribution's RECORD, and are kept beside the virtualenv in the cache: a
build in which nothing has changed reads one small file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.report import BuildData
from buildpack.support import files
from buildpack.support.output import Output
from buildpack.support.values import value
from buildpack.venv import Venv

if TYPE_CHECKING:
    from buildpack.records import Distribution

SHOWN = 10
MIB = 1024 * 1024
WARN_ABOVE = 1024 * MIB
"""Unpacked; about what a slug of 500 MB, the limit of most platforms, can hold beside an app."""

SIZES_FILE = "sizes.json"
LAST_SIZES_FILE = "last-sizes.json"
"""Of the virtualenv that this one was made from."""
FORMAT = 3


@value
class PackageSize:
    """One installed distribution and what it takes on disk, with its bytecode."""

    name: str
    version: str
    size: int
    imports_pkg_resources: bool = False


@value
class EnvironmentSize:
    """All of a virtualenv's distributions, the largest first."""

    packages: tuple[PackageSize, ...]
    warnings: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(package.size for package in self.packages)


def environment_size(venv: Venv, beside: Path) -> EnvironmentSize:
    """The sizes kept in the directory ``beside``; measured and kept there the first time."""
    kept = beside / SIZES_FILE
    found = _read(kept)
    if found is None:
        last = _read(beside / LAST_SIZES_FILE)
        found = measure(venv.site_packages, last.packages if last else ())
        rows = [[x.name, x.version, x.size, x.imports_pkg_resources] for x in found.packages]
        table = {"format": FORMAT, "packages": rows, "warnings": list(found.warnings)}
        if beside.is_dir():  # unless a hook has deleted the cache
            files.write_whole(kept, json.dumps(table) + "\n")
    return found


def _read(kept: Path) -> EnvironmentSize | None:
    """None where nothing was kept, or nothing we understand: then it is measured again."""
    try:
        table = json.loads(kept.read_bytes())
        if table["format"] != FORMAT:
            return None
        packages = tuple(
            PackageSize(
                name=str(name), version=str(version), size=int(size), imports_pkg_resources=bool(it)
            )
            for name, version, size, it in table["packages"]
        )
        warnings = tuple(str(text) for text in table["warnings"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return EnvironmentSize(packages=packages, warnings=warnings)


def measure(site_packages: Path, known: Sequence[PackageSize] = ()) -> EnvironmentSize:
    """Add up what every RECORD lists, and the bytecode made of it, where it is not ``known``."""
    # Imported where something is measured: a build in which nothing has changed does not.
    from buildpack.missing_setuptools import missing_setuptools_warning
    from buildpack.records import read_distributions
    from buildpack.sizes.size_warnings import size_warnings

    found = read_distributions(site_packages)
    sizes = {(package.name, package.version): package for package in known}
    packages = [
        sizes.get((each.name, each.version)) or _measure_one(site_packages, each) for each in found
    ]
    packages.sort(key=lambda package: (-package.size, package.name))
    needing = [f"{x.name} {x.version}" for x in packages if x.imports_pkg_resources]
    missing = missing_setuptools_warning(site_packages, sorted(needing))
    warnings = (*((missing,) if missing else ()), *size_warnings(site_packages, found))
    return EnvironmentSize(packages=tuple(packages), warnings=warnings)


def _measure_one(site_packages: Path, distribution: Distribution) -> PackageSize:
    from buildpack.missing_setuptools import imports_pkg_resources

    directories = {
        name.rpartition("/")[0]
        for name in distribution.files
        if name.endswith(".py") and not name.startswith(("/", ".."))
    }
    # Modules in site-packages itself share a directory with those of others: only a few kilobytes.
    directories.discard("")
    bytecode = (_bytecode_sizes(f"{site_packages}/{each}/__pycache__") for each in directories)
    return PackageSize(
        name=distribution.name,
        version=distribution.version,
        size=distribution.size + sum(size for sizes in bytecode for size in sizes),
        imports_pkg_resources=imports_pkg_resources(site_packages, distribution),
    )


def _bytecode_sizes(directory: str) -> Iterator[int]:
    try:
        with os.scandir(directory) as entries:
            yield from (entry.stat(follow_symlinks=False).st_size for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return  # test suites have no bytecode, and neither has an app that asked for none


def show_sizes(found: EnvironmentSize, data: BuildData, out: Output) -> None:
    """The ten largest packages and the total; a warning where that will not fit a slug."""
    if not found.packages:
        return
    data.set("dependencies_count", len(found.packages))
    data.set("dependencies_size", found.total)
    for package in found.packages:
        if package.name in REPORTED:
            data.set(f"{package.name}_version", package.version)
    count = len(found.packages)
    what = "1 package" if count == 1 else f"{count} packages"
    out.info(f"{what}, {megabytes(found.total)}. The largest:" if count > 1 else
             f"{what}, {megabytes(found.total)}:")  # fmt: skip
    shown = found.packages[:SHOWN]
    width = max(len(package.name) + len(package.version) + 1 for package in shown)
    for package in shown:
        label = f"{package.name} {package.version}"
        out.info(f"  {label:<{width}}  {megabytes(package.size):>9}")
    if found.total > WARN_ABOVE:
        out.warning(size_warning(found))
    for text in found.warnings:
        out.warning(text)


def size_warning(found: EnvironmentSize) -> str:
    """What is too large, and what can be done about it."""
    largest = ", ".join(package.name for package in found.packages[:3])
    return (
        f"The packages of your app take {megabytes(found.total)}\n\n"
        f"A slug this large is slow to start, and many platforms refuse it (at 500 MB,\n"
        f"packed). The largest are {largest}.\n\n"
        "Remove what your app does not import, or choose a smaller build of it (torch,\n"
        "for one, has wheels for CPUs that are a tenth of those for GPUs)."
    )


def megabytes(size: int) -> str:
    if size < MIB // 10:
        return f"{size / 1024:.0f} kB"
    return f"{size / MIB:.1f} MB" if size < 100 * MIB else f"{size / MIB:.0f} MB"


STEPS: Mapping[str, str] = {
    "pre_compile_hook_duration": "bin/pre_compile",
    "python_install_duration": "Python",
    "dependencies_install_duration": "packages",
    "cache_restore_duration": "linking",
    "nltk_downloader_duration": "NLTK data",
    "django_collectstatic_duration": "static files",
    "post_compile_hook_duration": "bin/post_compile",
}
"""What a step is called in the last line of a build, by its key in the build data."""

WORTH_SAYING = 0.1
REPORTED = ("pip", "pipenv", "poetry", "setuptools")
"""Tools whose versions the build data tell where the app has them among its packages."""


def show_times(data: BuildData, seconds: float, out: Output) -> None:
    """The last line: how long the build took, and which steps made the most of it."""
    parts = []
    for key, name in STEPS.items():
        took = data.facts.get(key)
        if isinstance(took, float) and took >= WORTH_SAYING:
            parts.append(f"{name} {took:.1f} s")
    took_all = f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
    out.info(f"Done in {took_all} s" + (f" ({', '.join(parts)})." if parts else "."))


def summary_step(venv: Venv, beside: Path, data: BuildData, seconds: float, out: Output) -> None:
    """The end of a build: sizes, then times."""
    out.step("Build finished")
    show_sizes(environment_size(venv, beside), data, out)
    show_times(data, seconds, out)
