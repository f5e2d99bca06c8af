"""Whose a build cache is. One left by another buildpack, for another stack, or by a build that was
killed midway, is not handed on: its buildpack would take it for its own work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from buildpack.support.errors import SlugkitError
from slugc.build_space import BuildSpace, drop_cache
from slugc.buildpacks.errors import (
    NotDetectedError,
    PhaseFailedError,
    PhaseTimeoutError,
    ReleaseOutputError,
)
from slugc.buildpacks.spec import OWN, BuildpackSpec
from slugc.stack import Stack

NOTE = "cache-owner"
_RUNNING = "running\n"


@contextlib.contextmanager
def claimed_cache(
    space: BuildSpace,
    stack: Stack,
    specs: Sequence[BuildpackSpec],
    *,
    tell: Callable[[str], None],
) -> Iterator[None]:
    """Make sure that the cache is one of these buildpacks, and remember that it is."""
    note = space.seals_dir / NOTE  # where no build can write
    owner = "".join(f"{line}\n" for line in (stack.id, stack.arch, *(s.source for s in specs)))
    try:
        found = note.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        found = ""
    if found not in {"", owner}:
        tell(_why(found, owner))
        drop_cache(space)
    # Our own buildpack's cache is whole at every moment: what it keeps appears by a rename.
    crash_safe = all(spec == OWN for spec in specs)
    running = owner if crash_safe else owner + _RUNNING
    if found != running:
        note.parent.mkdir(exist_ok=True)
        note.write_text(running, "utf-8", "surrogateescape")
    try:
        yield
    except SlugkitError as err:
        if _ended_by_itself(err):
            note.write_text(owner, "utf-8", "surrogateescape")
        raise
    if not crash_safe:
        note.write_text(owner, "utf-8", "surrogateescape")


def _ended_by_itself(err: SlugkitError) -> bool:
    """Whether no program that may write to the cache was stopped midway."""
    match err:
        case PhaseFailedError():
            return 0 < err.code < 128 or err.phase != "compile"
        case PhaseTimeoutError():
            return err.phase != "compile"
        case _:  # a limit that was reached stops a phase; of what a phase says, none does
            return isinstance(err, NotDetectedError | ReleaseOutputError)


def _why(found: str, owner: str) -> str:
    if found == owner + _RUNNING:
        return "The last build was stopped midway: its build cache is not used."
    same_stack = found.splitlines()[:2] == owner.splitlines()[:2]
    whose = "other buildpacks" if same_stack else "another stack"
    return f"The build cache is of {whose}: it is not used."
