"""The buildpacks a machine has installed: by name, in the order in which they are asked.

They lie by their content, with one small file that says which they are; apart from those that
builds have fetched, which go when nobody has used them for long.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.deletion import remove_tree
from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable
from buildpack.support.files import write_atomically
from buildpack.support.locks import locked
from buildpack.support.values import value
from slugc.buildpacks.places import FILE, INSTALLED
from slugc.buildpacks.spec import NAME, OWN, OWN_NAME, BuildpackKind, BuildpackSpec
from slugc.json_fields import Fields
from slugc.sources.fetching import ARCHIVE_SUFFIXES
from slugc.store import BUILDPACKS_LOCK

LOCK = f"{INSTALLED}/.lock"

IS_OWN = "is our own, and always there"


class InstalledFileError(SlugkitError):
    """The file that says which buildpacks are installed is not as we write it."""

    exit_code = ExitCode.DATA
    id = "installed-buildpacks"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            "The list of installed buildpacks cannot be read",
            details=f"{path}: {found}",
            resolution="Remove the file, and install them again: slugc buildpacks add SPEC",
        )


class BuildpackNameError(UsageError):
    """A name that is none, is taken, or is nobody's."""

    id = "buildpack-name"

    def __init__(self, name: str, found: str, resolution: str) -> None:
        self.name, self.found = name, found
        super().__init__(f"'{printable(name)}' {found}", resolution=resolution)


@value
class Installed:
    """One installed buildpack: its name, where it came from and what it is."""

    name: str
    source: str
    version: str
    digest: str

    @property
    def spec(self) -> BuildpackSpec:
        return BuildpackSpec(
            kind=BuildpackKind.INSTALLED,
            location=self.digest.removeprefix("sha256:"),
            name=self.name,
            origin=self.source,
            version=self.version,
        )


def read_installed(data_dir: Path) -> tuple[Installed, ...]:
    """All of them, in order; none where nobody installed any."""
    path = data_dir / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()

    def error(found: str) -> InstalledFileError:
        return InstalledFileError(path, found)

    try:
        document = Fields(json.loads(content), error=error)
    except (ValueError, RecursionError) as err:
        raise error("it is not JSON") from err
    return tuple(
        Installed(
            name=each.text("name"),
            source=each.text("source"),
            version=each.text("version"),
            digest=each.digest("digest"),
        )
        for each in document.each("buildpacks")
    )


def default_name(spec: BuildpackSpec) -> str:
    """A name made from where a buildpack is: ``owner/name`` of a repository, else the last word."""
    words = [
        word for word in re.split(r"[#?]", spec.source)[0].replace(":", "/").split("/") if word
    ]
    of_two = spec.kind is BuildpackKind.GIT and len(words) > 2
    last = words[-1] if words else ""
    for suffix in (".git", *ARCHIVE_SUFFIXES):
        last = last.removesuffix(suffix)
    last = last.removeprefix("heroku-buildpack-").removeprefix("buildpack-")
    return f"{words[-2]}/{last}" if of_two else last


def check_name(name: str) -> None:
    """Raise unless a buildpack may be installed as ``name``."""
    if name == OWN.source:
        raise BuildpackNameError(name, "is our own buildpack's name", "Choose another: --name NAME")
    if not NAME.fullmatch(name):
        raise BuildpackNameError(
            name,
            "is no name for a buildpack",
            "Letters, digits, '.', '-' and '_' are allowed, with one '/': --name org/name",
        )


def install(data_dir: Path, added: Installed, *, position: int | None = None) -> None:
    """Add one to the list, or replace the one of that name where it stands.

    ``position`` counts from 1; without it, it is asked after all others.
    """
    check_name(added.name)
    with locked(data_dir / LOCK):
        found = list(read_installed(data_dir))
        names = [one.name for one in found]
        at = names.index(added.name) if added.name in names else len(found)
        kept = [one for one in found if one.name != added.name]
        kept.insert(at if position is None else position - 1, added)
        _write(data_dir, kept)


def uninstall(data_dir: Path, name: str) -> None:
    """Take one off the list, and delete it unless it is there under another name."""
    with locked(data_dir / LOCK):
        found = read_installed(data_dir)
        kept = [one for one in found if one.name != name]
        if len(kept) == len(found):
            names = ", ".join(one.name for one in found) or "none"
            why = IS_OWN if name == OWN_NAME else "is not installed"
            raise BuildpackNameError(name, why, f"Installed are: {names}")
        _write(data_dir, kept)
        gone = {one.digest for one in found} - {one.digest for one in kept}
        with locked(data_dir / BUILDPACKS_LOCK):  # a build may be copying it
            for digest in gone:
                remove_tree(data_dir / INSTALLED / digest.removeprefix("sha256:"))


def _write(data_dir: Path, installed: Sequence[Installed]) -> None:
    entries = [
        {"name": one.name, "source": one.source, "version": one.version, "digest": one.digest}
        for one in installed
    ]
    text = json.dumps({"buildpacks": entries}, indent=2)
    write_atomically(data_dir / FILE, text + os.linesep)
