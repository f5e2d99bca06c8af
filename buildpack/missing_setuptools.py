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


def missing_setuptools_warning(site_packages: Path, found: Sequence[Distribution]) -> str:
    """What to ask for, and because of which packages; "" where nothing is missing."""
    minor = site_packages.parent.name.rpartition(".")[2]
    if int(minor) > LAST_MINOR or (site_packages / "pkg_resources").exists():
        return ""
    needing = [f"{x.name} {x.version}" for x in found if _imports_it(site_packages, x)]
    if not needing:
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


def _imports_it(site_packages: Path, distribution: Distribution) -> bool:
    modules = (name for name in distribution.files if name.endswith(".py"))
    return any(
        IMPORT.search(_content(site_packages / name))
        for name in modules
        if not TESTS.intersection(name.split("/"))
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # Listed and not there, as in a number of honest wheels.
