"""Packages that import pkg_resources, a part of setuptools, where nobody has asked for setuptools.

Heroku's buildpack installs it with Python 3.12 and older. What has run there for years without
asking for it would end at its first import; so it is said before. With newer Pythons it ends on
Heroku as well, and nothing is looked for: that would be every file of every package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from buildpack.records import Distribution

LAST_MINOR = 12
IMPORT = re.compile(rb"^(?:import|from) pkg_resources\b", re.MULTILINE)
"""Where a line begins with it: not in a ``try``, nor in a function that may never be called."""

TESTS = frozenset({"test", "tests", "testing"})


def missing_setuptools_warning(site_packages: Path, needing: Sequence[str]) -> str:
    """What to ask for because of the releases ``needing``; "" where nothing is missing."""
    if not needing or (site_packages / "pkg_resources").exists():
        return ""
    return (
        "Your app has packages that import pkg_resources, and does not have it\n\n"
        f"  {', '.join(needing)}\n\n"
        "It is a part of setuptools before version 81, which Heroku installs with Python 3.12\n"
        "and older, and nothing in your app asks for. A process that needs it would end with\n"
        "\"No module named 'pkg_resources'\". Ask for it among your packages:\n\n"
        "    setuptools<81\n\n"
        "Newer versions of the packages above may not need it any more."
    )


def imports_pkg_resources(site_packages: Path, distribution: Distribution) -> bool:
    """Whether a module of the distribution, other than its tests, cannot be imported without."""
    if int(site_packages.parent.name.rpartition(".")[2]) > LAST_MINOR:
        return False
    modules = (name for name in distribution.files if name.endswith(".py"))
    return any(
        _does_import_it(f"{site_packages}/{name}")
        for name in modules
        if not TESTS.intersection(name.split("/"))
    )


def _does_import_it(path: str) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of thousands of files
            content = file.read()
    except OSError:
        return False  # Listed and not there, as in a number of honest wheels.
    # First the question that takes no time: the expression looks at each line.
    return b"pkg_resources" in content and IMPORT.search(content) is not None
