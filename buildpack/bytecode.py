"""Deterministic .pyc files, compiled once and cached by content, one bundle a distribution.

The .pyc files carry no time ("unchecked hash"), so the same sources give the same bytes; what else
it takes is told in target/compile_pyc.py.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from buildpack.cache import BYTECODE_FORMAT as FORMAT
from buildpack.support.command import Command, capture
from buildpack.support.deletion import remove_tree
from buildpack.support.linking import Listing, list_tree
from buildpack.support.values import value

COMPILER = Path(__file__).parent / "target" / "compile_pyc.py"
LARGEST_GROUP = 250
"""Files a job; larger distributions are cut, at places that depend on their file list alone."""


RENEWING = ((3, 11), (3, 14))
"""As in target/compile_pyc.py, which runs alone."""


@value
class Group:
    """Source files that are compiled together, in this order; names are relative to ``root``."""

    root: Path
    names: tuple[str, ...]
    key: str


@value
class BytecodeCompiler:
    """Compiles with ``python``, whose exact build is ``build_id``."""

    python: Path
    build_id: str
    cache_dir: Path

    @property
    def bundles(self) -> Path:
        return self.cache_dir / "bytecode"

    def compile(
        self, root: Path, groups: Sequence[tuple[str, ...]], *, original: Path | None = None
    ) -> int:
        """Write a .pyc beside every file of ``groups``; returns how many groups were compiled.

        ``original`` is the directory that ``root`` was copied from: what is compiled there already
        need not be compiled again. The result is the same with and without bytecode there.
        """
        keyed = [self._key(root, names) for chunk in groups for names in _cut(chunk)]
        missing = [group for group in keyed if not self._restore(group)]
        if missing:
            self._compile(sorted(missing, key=lambda g: len(g.names), reverse=True), original)
        return len(missing)

    def _key(self, root: Path, names: tuple[str, ...]) -> Group:
        digest = hashlib.sha256(f"{FORMAT}\0{self.build_id}\0".encode())
        for name in names:
            # Not hashlib.file_digest, whose buffer takes longer than most of these files.
            content = hashlib.sha256((root / name).read_bytes()).digest()
            digest.update(os.fsencode(name) + b"\0" + content)
        return Group(root=root, names=names, key=digest.hexdigest()[:32])

    def _restore(self, group: Group) -> bool:
        bundle = self.bundles / group.key
        try:
            content = bundle.read_bytes()
        except FileNotFoundError:
            return False
        os.utime(bundle)  # Marks it as used, so that it is not reaped.
        for name, pyc in read_bundle(content):
            target = group.root / os.fsdecode(name)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(pyc)
        return True

    def _compile(self, groups: Sequence[Group], original: Path | None) -> None:
        self.bundles.mkdir(parents=True, exist_ok=True)
        jobs = self.bundles / f".jobs.{os.getpid()}.{os.urandom(4).hex()}"
        jobs.mkdir()
        try:
            for number, group in enumerate(groups):
                bundle = jobs / f"{number}.bundle"
                words = (str(group.root), str(bundle), str(original or ""), *group.names)
                (jobs / str(number)).write_bytes(b"\0".join(os.fsencode(word) for word in words))
            capture(self.command(jobs, len(groups)))
            for number, group in enumerate(groups):
                (jobs / f"{number}.bundle").replace(self.bundles / group.key)
        finally:
            remove_tree(jobs)

    def command(self, jobs: Path, count: int) -> Command:
        """The target Python, in the same state whoever starts it and wherever it is."""
        # A place without bytecode: its own standard library is always read from source, whether
        # or not it has been compiled by now.
        no_cache = f"pycache_prefix={jobs / 'none'}"
        flags = ("-s", "-S", "-B", "-W", "ignore", "-X", no_cache)
        workers = str(len(os.sched_getaffinity(0)))
        return Command(
            argv=(str(self.python), *flags, str(COMPILER), str(jobs), str(count), workers),
            cwd=Path("/"),
            env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
            timeout=1200,
            title="compile bytecode",
        )


def has_bytecode(stdlib: Path) -> bool:
    """Whether this standard library was compiled where it was installed, in a form we can take."""
    names = (path.name for path in (stdlib / "__pycache__").glob("os.*.pyc"))
    found = (re.fullmatch(r"os\.cpython-(\d)(\d+)\.pyc", name) for name in names)
    return any(m and RENEWING[0] <= (int(m[1]), int(m[2])) < RENEWING[1] for m in found)


def read_bundle(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, bytes) of every .pyc in a bundle."""
    position = 0
    while position < len(content):
        name_end = content.index(b"\0", position)
        length_end = content.index(b"\0", name_end + 1)
        end = length_end + 1 + int(content[name_end + 1 : length_end])
        yield content[position:name_end], content[length_end + 1 : end]
        position = end


def stdlib_groups(stdlib: Path) -> list[tuple[str, ...]]:
    """The standard library, in groups of the largest size: each one costs several processes."""
    return [tuple(find_sources(stdlib))]


def distribution_groups(site_packages: Path, sources: Iterable[str]) -> list[tuple[str, ...]]:
    """Installed ``sources`` by the distribution that lists them in its RECORD.

    The test suites some packages bring are left out: they would make the slug larger, and no app
    imports them. Whoever does import one waits as long as without bytecode, and gets it.
    """
    owners: dict[str, str] = {}
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        text = record.read_text("utf-8", "surrogateescape")
        for row in csv.reader(io.StringIO(text)):
            if row and row[0].endswith(".py"):
                owners[row[0]] = record.parent.name
    return _by_owner([name for name in sources if not is_in_test_suite(name)], owners)


def is_in_test_suite(name: str) -> bool:
    """``tests`` below a package: numpy/core/tests, not a distribution that is called so."""
    return "tests" in name.split("/")[1:-1]


def _by_owner(sources: Sequence[str], owners: Mapping[str, str]) -> list[tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for name in sources:
        top, slash, _ = name.partition("/")
        groups.setdefault(owners.get(name) or (top if slash else ""), []).append(name)
    return [tuple(names) for _, names in sorted(groups.items())]


def find_sources(root: Path) -> list[str]:
    """Every .py file below ``root``, sorted."""
    return listed_sources(list_tree(str(root)))


def listed_sources(listing: Listing, top: str = "") -> list[str]:
    """Every .py file that a listing names below ``top``, from there, sorted."""
    start = os.fsencode(f"{top}/") if top else b""
    found: list[bytes] = []
    for directory, names in listing:
        place = directory + b"/" if directory else b""
        below = place[len(start) :]
        is_source_dir = place.startswith(start) and not below.startswith(b"site-packages/")
        if is_source_dir and b"__pycache__" not in below.split(b"/"):
            found += [below + name for name in names if name.endswith(b".py")]
    return [os.fsdecode(name) for name in sorted(found)]


def with_bytecode(root: Path, listing: Listing) -> Listing:
    """The listing of ``root`` after its modules were compiled; it is looked only beside those."""
    found, top = dict(listing), os.fsencode(f"{root}/")
    for directory, names in listing:
        if any(name.endswith(b".py") for name in names):
            beside = directory + b"/__pycache__" if directory else b"__pycache__"
            with contextlib.suppress(FileNotFoundError):
                names_there = os.listdir(top + beside)  # noqa: PTH208 - bytes
                found[beside] = tuple(sorted(names_there))
    return tuple(found.items())


def _cut(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), LARGEST_GROUP):
        yield names[start : start + LARGEST_GROUP]
