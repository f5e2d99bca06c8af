"""Packages that come with the app, in vendor/: installed without asking any index.

vendor/ counts when it holds wheels or source distributions. When every requirement is among them
the install is offline. When some are missing, vendor/ is one more place to look, and that is said.
SLUGKIT_VENDOR=only makes missing ones an error, SLUGKIT_VENDOR=0 leaves vendor/ alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from buildpack.app import App
from buildpack.requirement_lines import RequirementFiles, RequirementLine
from buildpack.requirement_paths import is_path, is_url
from buildpack.support.errors import SlugkitError, printable
from buildpack.support.names import normalized
from buildpack.support.values import value

DIRECTORY = "vendor"
SWITCH = "SLUGKIT_VENDOR"
WHEEL = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
SDIST = re.compile(r"(?P<name>.+)-(?P<version>[^-]+?)(\.tar\.gz|\.tgz|\.tar\.bz2|\.zip)")
SERIES = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Of Python: a marker that holds for none of them asks for nothing."""


class Vendoring(StrEnum):
    """What vendor/ is used for."""

    OFF = "off"
    OFFLINE = "offline"
    PARTIAL = "partial"


@value
class Vendored:
    """The decision, and the requirements that vendor/ does not have."""

    mode: Vendoring
    missing: tuple[RequirementLine, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        if self.mode is Vendoring.OFF:
            return ()
        find_links = ("--find-links", DIRECTORY)
        return ("--no-index", *find_links) if self.mode is Vendoring.OFFLINE else find_links

    @property
    def warning(self) -> str:
        """What to say before installing; '' for nothing."""
        if self.mode is not Vendoring.PARTIAL:
            return ""
        return (
            f"{DIRECTORY}/ does not hold all that your requirements ask for\n\n"
            + _listing(self.missing)
            + "\n\nThe package index is asked for these. To build without an index, add them:\n\n"
            f"    pip download -r requirements.txt -d {DIRECTORY}\n\n"
            f"To make this an error, set {SWITCH}=only; to leave {DIRECTORY}/ alone, {SWITCH}=0."
        )


class VendoredSwitchError(SlugkitError):
    """SLUGKIT_VENDOR has a value that means nothing."""

    id = "settings::vendor"

    def __init__(self, value: str) -> None:
        self.value = value
        super().__init__(
            f"{SWITCH} has a value we do not know",
            details=f"Its value is '{printable(value)}'.",
            resolution=f"Set it to 'only' (install from {DIRECTORY}/ and nothing else) or to '0'\n"
            f"(leave {DIRECTORY}/ alone), or unset it.",
        )


class NotVendoredError(SlugkitError):
    """The app asked for vendor/ only, and it does not hold everything."""

    id = "install::not-vendored"

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        listing = "\n".join(f"  {printable(text)}" for text in missing)
        super().__init__(
            f"{DIRECTORY}/ does not hold all that your app needs",
            details=f"Nothing was fetched from an index. These are missing:\n\n{listing}",
            resolution="Add them, with all that they need themselves and, for source\n"
            "distributions, with their build tools (setuptools, for instance):\n\n"
            f"    pip download -r requirements.txt -d {DIRECTORY}\n\n"
            f"To ask the package index as well, remove {DIRECTORY}/ or set {SWITCH}=0.",
        )


def read_vendored(app: App, found: RequirementFiles, env: Mapping[str, str]) -> Vendored:
    """Decide what vendor/ is used for. Raises where the app insists and something is missing."""
    switch = env.get(SWITCH, "").strip().lower()
    if switch not in {"", "0", "off", "only"}:
        raise VendoredSwitchError(switch)
    files = () if switch in {"0", "off"} else _distributions(app)
    if not files and switch != "only":
        return Vendored(mode=Vendoring.OFF)
    missing = _missing(found, files)
    if missing and switch == "only":
        raise NotVendoredError([line.requirement for line in missing])
    mode = Vendoring.PARTIAL if missing else Vendoring.OFFLINE
    return Vendored(mode=mode, missing=missing)


def _distributions(app: App) -> tuple[tuple[str, str], ...]:
    """(normalised name, version) of every wheel and source distribution in vendor/."""
    try:
        names = sorted(os.listdir(app.root / DIRECTORY))  # noqa: PTH208 - names, not paths
    except (FileNotFoundError, NotADirectoryError):
        return ()
    matches = (WHEEL.fullmatch(name) or SDIST.fullmatch(name) for name in names)
    return tuple((normalized(m["name"]), m["version"]) for m in matches if m)


def _missing(
    found: RequirementFiles, files: Sequence[tuple[str, str]]
) -> tuple[RequirementLine, ...]:
    from packaging.requirements import Requirement

    missing: list[RequirementLine] = []
    for line in found.wanted():
        text = line.requirement
        if line.is_option or is_url(text) or is_path(text) or "${" in text:
            continue
        wanted = Requirement(text)
        if wanted.marker and not any(
            wanted.marker.evaluate({"python_version": series, "sys_platform": "linux"})
            for series in SERIES
        ):
            continue
        name = normalized(wanted.name)
        versions = [version for file, version in files if file == name]
        if not wanted.url and not list(wanted.specifier.filter(versions, prereleases=True)):
            missing.append(line)
    return tuple(missing)


def _listing(lines: Sequence[RequirementLine]) -> str:
    return "\n".join(f"  {line.place}: {printable(line.requirement)}" for line in lines)
