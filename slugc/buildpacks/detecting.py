"""Looks at a source without building it: which buildpacks recognise it, and what they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.support.errors import UsageError, printable_path
from buildpack.support.files import write_atomically
from buildpack.support.locks import locked
from buildpack.support.values import changed, value
from slugc.build_request import BuildRequest
from slugc.build_space import temporary_space
from slugc.builder import sandbox_request, stage
from slugc.buildpacks.compiling import BuildRun, asked, bring_buildpacks
from slugc.buildpacks.lock import (
    BuildpackLockedError,
    Pin,
    lock_text,
    pin_of,
    read_lock,
)
from slugc.buildpacks.places import LOCK_FILE
from slugc.progress import Progress
from slugc.sandbox import enter_sandbox
from slugc.sources.source import SourceKind
from slugc.store import BUILDPACKS_LOCK
from slugc.timeline import Timeline


@value
class Match:
    """A buildpack that recognised the app: what it calls it, and what it is."""

    name: str
    buildpack: str
    source: str
    version: str
    digest: str


@value
class Detection:
    """What the buildpacks said, in the order in which they were asked."""

    matches: tuple[Match, ...]
    refusals: Mapping[str, tuple[str, ...]]


class LockPlaceError(UsageError):
    """A lock stands beside the app; there is no such place in a tarball or on a server."""

    id = "lock-needs-directory"

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(
            f"{printable_path(source)} is not a directory that a lock could be written to",
            resolution="slugc buildpacks lock path/to/app",
        )


def detect_app(request: BuildRequest, progress: Progress) -> Detection:
    """Ask every buildpack the request, the source or the machine names."""
    matches, refusals = [], {}
    with _looked_at(request, progress) as run:
        for phases, buildpack in zip(run.all_phases(), run.brought.buildpacks, strict=True):
            answer = asked(phases, progress)
            if not isinstance(answer, str):
                refusals[phases.label] = answer
                continue
            matches.append(
                Match(
                    name=answer,
                    buildpack=phases.label,
                    source=buildpack.source,
                    version=buildpack.version,
                    digest=buildpack.digest,
                )
            )
    return Detection(matches=tuple(matches), refusals=refusals)


def lock_buildpacks(request: BuildRequest, progress: Progress, *, update: bool) -> Path:
    """Write the lock of the request's source, or raise if there is one that says otherwise."""
    if request.source.kind is not SourceKind.DIRECTORY:
        raise LockPlaceError(request.source.location)
    top = request.source.path
    last = None if update else read_lock(top)
    pins = _pins(request, progress)
    if last is not None and last != pins:
        raise BuildpackLockedError(last, pins)
    path = top / LOCK_FILE
    if last is None:
        write_atomically(path, lock_text(pins))
    for pin in pins:
        progress.info(pin.shown)
    return path


def _pins(request: BuildRequest, progress: Progress) -> tuple[Pin, ...]:
    with _looked_at(changed(request, obey_lock=False), progress) as run:
        found = run.brought.buildpacks
        if run.brought.choice.is_loop:
            phases, _ = run.first_match(run.all_phases())
            found = (found[phases.position],)
        return tuple(pin_of(buildpack) for buildpack in found)


@contextlib.contextmanager
def _looked_at(request: BuildRequest, progress: Progress) -> Iterator[BuildRun]:
    """The source staged and its buildpacks brought, in a place that is gone afterwards."""
    with contextlib.ExitStack() as stack:
        space = stack.enter_context(temporary_space(request.data_dir))
        chosen = enter_sandbox(stack, request.sandbox, sandbox_request(request, space))
        source = stage(request, space, progress)
        with locked(request.data_dir / BUILDPACKS_LOCK, shared=True):
            brought = bring_buildpacks(request, space, chosen.sandbox, progress)
        yield BuildRun(
            request=request,
            space=space,
            sandbox=chosen.sandbox,
            brought=brought,
            commit=source.commit,
            progress=progress,
            timeline=Timeline(),
        )
