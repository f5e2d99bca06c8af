"""buildpacks.lock: which buildpacks a source is built with, by commit and content.

It names nobody: what a build uses is decided as ever, and has to be what stands in the lock.
Nothing of a machine and no time is in it, so that the same buildpacks give the same file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.values import value
from slugc.buildpacks.choice import Choice
from slugc.buildpacks.fetch import Buildpack
from slugc.buildpacks.places import LOCK_FILE
from slugc.json_fields import Fields
from slugc.small_file import read_small_file

VERSION = 1
MAX_BYTES = 256 * 1024
HEAD = f"""\
# The buildpacks this app is built with; a build uses these or none.
# Written by: slugc buildpacks lock --update
version = {VERSION}
"""


class BuildpackLockInvalidError(SlugkitError):
    """A lock file we cannot read."""

    exit_code = ExitCode.DATA
    id = "buildpack-lock-invalid"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            f"The {LOCK_FILE} cannot be used",
            details=found,
            resolution="Write it anew: slugc buildpacks lock --update",
        )


class BuildpackLockedError(SlugkitError):
    """What a build would use is not what is locked; nothing of it was run."""

    exit_code = ExitCode.DATA
    id = "buildpack-locked"

    def __init__(self, expected: Sequence[Pin], found: Sequence[Pin]) -> None:
        self.expected, self.found = tuple(expected), tuple(found)
        is_same_list = [pin.source for pin in self.expected] == [pin.source for pin in self.found]
        way_back = (
            "name the commit that was locked: -b URL#COMMIT"
            if is_same_list
            else "name those that were locked, in that order: -b SPEC"
        )
        super().__init__(
            f"The buildpacks are not those of {LOCK_FILE}",
            details=f"Expected: {_listed(self.expected)}\nFound:    {_listed(self.found)}",
            resolution="If that is as it should be, lock what is there now:\n\n"
            f"    slugc buildpacks lock --update\n\nIf not, {way_back}",
        )


@value
class Pin:
    """One buildpack in a lock. An unknown commit or digest is empty, and told by its source."""

    source: str
    version: str = ""
    digest: str = ""

    @property
    def shown(self) -> str:
        """As an error names it."""
        version = f" at {self.version}" if self.version else ""
        return f"{self.source}{version}{f' ({self.digest})' if self.digest else ''}"


def _listed(pins: Sequence[Pin]) -> str:
    return "\n          ".join(pin.shown for pin in pins) or "none"


def pin_of(buildpack: Buildpack) -> Pin:
    """What a lock says of it."""
    source = printable(buildpack.source, limit=4096)
    return Pin(source=source, version=printable(buildpack.version), digest=buildpack.digest)


def read_lock(top: Path) -> tuple[Pin, ...] | None:
    """What the source in ``top`` is locked to; None when it is not."""
    content = read_small_file(top, LOCK_FILE, limit=MAX_BYTES)
    if content is None:
        return None
    import tomllib

    try:
        document = Fields(tomllib.loads(content.decode()), error=BuildpackLockInvalidError)
    except (ValueError, RecursionError) as err:
        raise BuildpackLockInvalidError(f"{LOCK_FILE}: {err}") from err
    if document.number("version") != VERSION:
        raise document.wrong("version", f"{VERSION}, the only one this slugc knows")
    return tuple(
        Pin(source=each.text("source"), version=each.text("version"), digest=each.digest("digest"))
        for each in document.each("buildpack")
    )


def lock_text(pins: Sequence[Pin]) -> str:
    """The lock file that says so."""
    # A text of JSON is a text of TOML.
    tables = (
        f"\n[[buildpack]]\nsource = {json.dumps(pin.source)}\n"
        f"version = {json.dumps(pin.version)}\ndigest = {json.dumps(pin.digest)}\n"
        for pin in pins
    )
    return HEAD + "".join(tables)


def restricted(choice: Choice, lock: Sequence[Pin] | None) -> Choice:
    """``choice`` as far as the lock allows it, before anything of it is fetched or run."""
    if lock is None:
        return choice
    wanted = [pin.source for pin in lock]
    sources = [printable(spec.source, limit=4096) for spec in choice.specs]
    if choice.is_loop and len(wanted) == 1 and wanted[0] in sources:
        locked = choice.specs[sources.index(wanted[0])]
        return Choice(origin=choice.origin, specs=(locked,), unused=choice.unused)
    if choice.is_loop or wanted != sources:
        raise BuildpackLockedError(lock, [Pin(source=source) for source in sources])
    return choice


def require_locked(buildpacks: Sequence[Buildpack], lock: Sequence[Pin] | None) -> None:
    """Raise unless they are what is locked, to the last byte."""
    found = [pin_of(buildpack) for buildpack in buildpacks]
    if lock is not None and tuple(found) != tuple(lock):
        raise BuildpackLockedError(lock, found)
