"""Takes out of an app's packages and its Python what SLUGKIT_TRIM names.

Every file that goes is one an app never opens. What a program may look up at run time stays:
metadata, licences, anything a package's own code reads (suites.py, ``reads_stubs``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from buildpack.records import Distribution, read_distributions
from buildpack.sizes.suites import find_suites, suite_files
from buildpack.sizes.trim import Trim
from buildpack.venv import Venv, drop_from_record

SOURCES_OF_EXTENSIONS = (
    ".h", ".hh", ".hpp", ".hxx", ".cuh", ".pxd", ".pxi", ".pyx",
    ".c", ".cc", ".cpp", ".cxx", ".cu", ".f", ".f90", ".a",
)  # fmt: skip

COMPILES_AT_RUN_TIME = re.compile(
    r"cffi|cupy.*|cppyy.*|cython|jax.*|numba.*|nvidia-.*|pybind11.*|pycuda|pyopencl|pythran"
    r"|taichi|tensorflow.*|torch.*|triton.*|ziglang"
)
"""Distributions that hand their own headers to a compiler while the app runs."""

STUBS = re.compile(rb"""attach_stub|["'][^"'\n]*\.pyi["']""")
"""lazy_loader finds out from stubs what to import; type checkers bring the library's."""


def trim_venv(venv: Venv, choices: Collection[Trim]) -> None:
    """Remove the chosen files of every distribution, and their lines in RECORD.

    Bytecode is not there yet: whoever fills the virtualenv leaves it out.
    """
    if not choices or set(choices) == {Trim.PYCACHE}:
        return
    root, found = venv.site_packages, read_distributions(venv.site_packages)
    suites = find_suites(root, (x for each in found for x in each.files))
    for each in found:
        inside = [name for name in each.files if not name.startswith(("/", ".", '"'))]
        removed = frozenset(_removable(root, each, inside, choices))
        if Trim.TESTS in choices:
            removed |= suite_files(inside, suites)
        for name in removed:
            (root / name).unlink(missing_ok=True)
        if removed:
            drop_from_record(each.record, removed)
            _remove_empty(root, removed)


def _removable(
    root: Path, distribution: Distribution, names: list[str], choices: Collection[Trim]
) -> Iterator[str]:
    own = [name for name in names if ".dist-info/" not in name]
    if Trim.HEADERS in choices and not COMPILES_AT_RUN_TIME.fullmatch(distribution.name):
        yield from (name for name in own if name.endswith(SOURCES_OF_EXTENSIONS))
    if Trim.PO in choices:
        listed = distribution.files
        yield from (x for x in own if x.endswith(".po") and f"{x.removesuffix('.po')}.mo" in listed)
    if Trim.TYPES in choices:
        stubs = [x for x in own if x.endswith(".pyi") or x.rpartition("/")[2] == "py.typed"]
        if stubs and not reads_stubs(root, own):
            yield from stubs


def reads_stubs(root: Path, names: Collection[str]) -> bool:
    """Does a package look into stubs itself?"""
    modules = (name for name in names if name.endswith(".py") and "/tests/" not in name)
    paths = (root / name for name in modules)
    return any(STUBS.search(path.read_bytes()) for path in paths if path.is_file())


def _remove_empty(root: Path, removed: Collection[str]) -> None:
    """The directories that nothing is left in, from the deepest up."""
    directories = {parent for name in removed for parent in Path(name).parents if parent != Path()}
    for directory in sorted(directories, key=lambda path: -len(path.parts)):
        path = root / directory
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def trim_runtime(home: Path, choices: Collection[Trim]) -> None:
    """Remove the chosen files of a Python that an app has; the cache keeps its own links."""
    if Trim.HEADERS in choices:
        for path in sorted((home / "include").rglob("*.h")):
            path.unlink()
    if Trim.PYCACHE in choices:
        for directory, _, filenames in os.walk(home / "lib"):
            if directory.endswith("/__pycache__"):
                for name in filenames:
                    os.unlink(f"{directory}/{name}")  # noqa: PTH108 - 700 of them
                Path(directory).rmdir()
