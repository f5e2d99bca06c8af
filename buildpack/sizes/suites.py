"""Test suites inside installed packages: directories that nothing but a test runner opens.

A directory is one if it is called ``tests`` or ``test``, lies inside a package, holds tests, and
no module beside it imports from it, names it as text, or makes a path to it. So what a package
takes from its own tests at run time stays (astropy, mpmath), whoever it is: no list of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

NAMES = frozenset({"tests", "test"})
TEST_MODULE = re.compile(r"test_.*\.py|.*_test\.py|tests\.py|conftest\.py")
RUNS_NO_APP = frozenset({"conftest.py", "setup.py"})
"""Modules that name test suites because they are about them."""

IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+(?P<base>[\w.]+)[ \t]+import[ \t]*(?P<names>\([^)]*\)|[^\n#]*)"
    rb"|import[ \t]+(?P<modules>[\w., \t]+))",
    re.MULTILINE,
)
DOTTED_TEXT = re.compile(rb"""["'](?P<module>[A-Za-z_]\w*(?:\.\w+)*\.tests?(?:\.\w+)*)[:"']""")
PATH_TEXT = re.compile(
    rb"""(?:join\([^\n]*|/\s*)["'](?P<joined>tests?)["'/]|["'](?P<path>tests?)/\w"""
)
ENTRY_POINT = re.compile(r"=\s*(?P<module>[\w.]+)")


def find_suites(site_packages: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The test suites among the installed files ``names``, as directories."""
    installed = [name for name in names if not name.startswith(("/", ".", '"'))]
    candidates = {suite for name in installed for suite in _suite_of_module(name)}
    if not candidates:
        return ()
    words = "|".join(sorted({suite.rpartition("/")[2] for suite in candidates}))
    word = re.compile(rf"\b(?:{words})\b".encode())
    others = (
        name
        for name in installed
        if name.endswith((".py", "/entry_points.txt")) and not _suite_around(name, candidates)
    )
    used = {
        suite
        for name in others
        if (passages := _passages(site_packages / name, word))
        for suite in candidates.intersection(_directories_used(name, passages))
    }
    return tuple(sorted(candidates - used))


def suite_files(names: Iterable[str], suites: Iterable[str]) -> frozenset[str]:
    """The files of ``names`` that are in one of the ``suites``."""
    known = frozenset(suites)
    return frozenset(name for name in names if _suite_around(name, known))


def _suite_of_module(name: str) -> Iterator[str]:
    """The outermost directory that may be a suite, around a module of tests."""
    path, slash, file = name.rpartition("/")
    if slash and TEST_MODULE.fullmatch(file):
        yield from _directories_of_tests(path)


def _directories_of_tests(path: str) -> Iterator[str]:
    parts = path.split("/")
    for depth, part in enumerate(parts):
        # At the top it is the name that a distribution is imported by.
        if depth and part in NAMES:
            yield "/".join(parts[: depth + 1])
            return


def _suite_around(name: str, suites: Iterable[str]) -> bool:
    return any(suite in suites for suite in _directories_of_tests(name.rpartition("/")[0]))


def _passages(path: Path, word: re.Pattern[bytes]) -> bytes:
    """The lines of a file that have the word in them, imports of several lines whole."""
    if path.name in RUNS_NO_APP:
        return b""
    try:
        content = path.read_bytes()
    except OSError:
        return b""  # Listed and not there: nothing can need anything by it.
    if b"test" not in content:
        return b""  # As most are. Asking this first is ten times as fast.
    found, end = [], 0
    for match in word.finditer(content):
        if match.start() < end:
            continue
        opened = max(content.rfind(x, end, match.start()) for x in (b"import (", b"import("))
        is_inside = opened >= 0 and b")" not in content[opened : match.start()]
        start = content.rfind(b"\n", 0, opened if is_inside else match.start()) + 1
        last = content.find(b")" if is_inside else b"\n", match.end())
        end = last + 1 if last >= 0 else len(content)
        found.append(content[start:end].rstrip(b"\n"))
    return b"\n".join(found)


def _directories_used(name: str, content: bytes) -> Iterator[str]:
    """Every directory that a module, or a file of entry points, may take something from."""
    parent = PurePosixPath(name).parent
    if name.endswith(".txt"):
        text = content.decode("utf-8", "replace")
        modules = {match["module"] for match in ENTRY_POINT.finditer(text)}
    else:
        modules = set(_modules_named(content, parent.parts))
        for match in PATH_TEXT.finditer(content):
            yield f"{parent}/{(match['joined'] or match['path']).decode()}"
    for module in modules:
        parts = module.split(".")
        yield from ("/".join(parts[:end]) for end in range(2, len(parts) + 1))


def _modules_named(content: bytes, package: tuple[str, ...]) -> Iterator[str]:
    """Modules that a source imports, or names in quotation marks; relative ones made absolute."""
    for match in IMPORT.finditer(content):
        if match["modules"]:
            yield from match["modules"].decode().replace(",", " ").split()
            continue
        base = match["base"].decode()
        absolute = base.lstrip(".")
        up = len(base) - len(absolute)
        start = [*package[: len(package) - up + 1], absolute] if up else [absolute]
        module = ".".join(part for part in start if part)
        yield module
        names = re.findall(r"\w+", match["names"].decode("utf-8", "replace"))
        yield from (f"{module}.{name}" for name in names)
    yield from (match["module"].decode() for match in DOTTED_TEXT.finditer(content))
