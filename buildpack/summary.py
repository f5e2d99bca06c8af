"""What is said at the end of a build: how large the packages are, and what took how long.

Sizes come from each distribution's RECORD, and are kept beside the virtualenv in the cache: a
build in which nothing has changed reads one small file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.report import BuildData
from buildpack.support import files
from buildpack.support.output import Output
from buildpack.support.values import value
from buildpack.venv import Venv

SHOWN = 10
MIB = 1024 * 1024
WARN_ABOVE = 1024 * MIB
"""Unpacked; about what a slug of 500 MB, the limit of most platforms, can hold beside an app."""

SIZES_FILE = "sizes.json"
FORMAT = 1


@value
class PackageSize:
    """One installed distribution and what it takes on disk, with its bytecode."""

    name: str
    version: str
    size: int


@value
class EnvironmentSize:
    """All of a virtualenv's distributions, the largest first."""

    packages: tuple[PackageSize, ...]

    @property
    def total(self) -> int:
        return sum(package.size for package in self.packages)


def environment_size(venv: Venv, beside: Path) -> EnvironmentSize:
    """The sizes kept in the directory ``beside``; measured and kept there the first time."""
    kept = beside / SIZES_FILE
    found = _read(kept)
    if found is None:
        found = measure(venv.site_packages)
        rows = [[package.name, package.version, package.size] for package in found.packages]
        files.write_atomically(kept, json.dumps({"format": FORMAT, "packages": rows}) + "\n")
    return found


def _read(kept: Path) -> EnvironmentSize | None:
    """None where nothing was kept, or nothing we understand: then it is measured again."""
    try:
        table = json.loads(kept.read_bytes())
        if table["format"] != FORMAT:
            return None
        rows = [(str(name), str(version), int(size)) for name, version, size in table["packages"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    packages = (PackageSize(name=name, version=version, size=size) for name, version, size in rows)
    return EnvironmentSize(packages=tuple(packages))


def measure(site_packages: Path) -> EnvironmentSize:
    """Add up what every RECORD lists, and the bytecode made of it."""
    packages = [
        _measure_one(site_packages, record) for record in site_packages.glob("*.dist-info/RECORD")
    ]
    packages.sort(key=lambda package: (-package.size, package.name))
    return EnvironmentSize(packages=tuple(packages))


def _measure_one(site_packages: Path, record: Path) -> PackageSize:
    name, _, version = record.parent.name.removesuffix(".dist-info").rpartition("-")
    size = 0
    directories = set()
    # Not the csv module: three times as slow, and a quoted path changes nothing about the numbers.
    for line in record.read_bytes().split(b"\n"):
        path, _, rest = line.partition(b",")
        number = rest.rpartition(b",")[2].strip()
        if number.isdigit():
            size += int(number)
        if path.endswith(b".py") and not path.startswith((b"/", b"..")):
            directories.add(os.fsdecode(path.rpartition(b"/")[0]))
    # Modules in site-packages itself share a directory with those of others: only a few kilobytes.
    directories.discard("")
    for directory in directories:
        size += sum(_bytecode_sizes(f"{site_packages}/{directory}/__pycache__"))
    return PackageSize(name=name.lower().replace("_", "-"), version=version, size=size)


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
