"""Telling that a buildpack failed because there was no room: nothing is wrong with the app."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from slugc.buildpacks.errors import PhaseFailedError
from slugc.sandbox.limits import LimitReachedError

LITTLE = 256 * 1024  # bytes; less than this is no room for anybody
_SAID = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))


class PhaseOutOfSpaceError(PhaseFailedError):
    """A phase failed where the disk is full, or said that it is."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "phase-out-of-space"

    def __init__(self, failed: PhaseFailedError, place: Path) -> None:
        super().__init__(failed.phase, failed.name, failed.code, failed.last_lines)
        self.place = place
        self.resolution = (
            f"There is no room left in {place}.\n"
            "Make some there, or set SLUGKIT_HOME to another directory: slugc prune"
        )


class NearlyFullError(SlugkitError):
    """A build had taken most of the room there was when it was stopped, before all was gone."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "nearly-full"

    def __init__(self, reached: LimitReachedError, place: Path) -> None:
        self.place = place
        super().__init__(
            f"There is not enough room in {place}",
            details=f"{reached.phase} was stopped when it had used nine tenths of what was free.",
            resolution="Make some there, or set SLUGKIT_HOME to another directory: slugc prune",
        )


@contextlib.contextmanager
def out_of_space_told(place: Path, *, has_limit: bool) -> Iterator[None]:
    """A phase that fails inside and had no room in ``place`` fails with that as its reason.

    ``has_limit``: somebody said how much it may write, so that reaching that is another matter.
    """
    try:
        yield
    except PhaseFailedError as err:
        if not (_is_said(err.last_lines) or is_full(place)):
            raise
        raise PhaseOutOfSpaceError(err, place) from err
    except LimitReachedError as err:
        if err.flag != "--disk" or has_limit:
            raise
        raise NearlyFullError(err, place) from err


def is_full(place: Path) -> bool:
    """Whether a user without privileges can write next to nothing there, or no more files."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize < LITTLE or (found.f_files > 0 and found.f_favail == 0)


def _is_said(lines: Sequence[str]) -> bool:
    return any(said in line for line in lines for said in _SAID)
