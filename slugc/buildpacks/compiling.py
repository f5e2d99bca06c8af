"""Runs the buildpacks of one build: chosen, brought, and each one's programs called in order."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from buildpack.support.values import value
from slugc.aside import Aside
from slugc.build_environment import build_environment, own_tools, pyenv_versions
from slugc.build_request import BuildRequest
from slugc.build_space import BuildSpace
from slugc.buildpacks.choice import Choice, choose_buildpacks
from slugc.buildpacks.copies import provide_copy
from slugc.buildpacks.errors import NoBuildpackFoundError, NotDetectedError, PhaseFailedError
from slugc.buildpacks.fetch import Buildpack, fetch_buildpack
from slugc.buildpacks.phases import Phases
from slugc.buildpacks.places import LOCK_FILE, STORE, installed_specs, known_names
from slugc.buildpacks.release import BuildpackRelease
from slugc.buildpacks.spec import OWN, BuildpackKind, BuildpackSpec
from slugc.cache_claim import claimed_cache
from slugc.out_of_space import out_of_space_told
from slugc.progress import Progress
from slugc.sandbox.base import Sandbox, SandboxKind
from slugc.slug import BuildpackRecord
from slugc.sources.trusted import Trusted
from slugc.timeline import Timeline

_PHASES = 4  # of each buildpack: detect, compile, release, report

_NOT_A_NO = frozenset({126, 127})
"""Of a shell: a program that could not be started has not looked at the app."""


@value
class Compiled:
    """What the buildpacks did and said."""

    records: tuple[BuildpackRecord, ...]
    release: BuildpackRelease
    python_version: str | None


@value
class Brought:
    """The buildpacks of a build, each copied to where its programs run."""

    choice: Choice
    buildpacks: tuple[Buildpack, ...]


@value
class BuildRun:
    """One build's buildpacks, and all that running them takes."""

    request: BuildRequest
    space: BuildSpace
    sandbox: Sandbox
    brought: Brought
    commit: str | None
    progress: Progress
    timeline: Timeline

    def compile(self) -> Compiled:
        """Call every program of every buildpack, in order."""
        phases, names = self.all_phases(), {}
        if self.brought.choice.is_loop:
            found, names[0] = self.first_match(phases)
            phases = (found,)
            used = self.brought.buildpacks[found.position]
            tell_buildpack(used, self.brought.choice.specs[found.position], self.progress)
        specs = [self.brought.choice.specs[each.position] for each in phases]
        stack = self.sandbox.stack()
        claimed = claimed_cache(self.space, stack, specs, tell=self.progress.info)
        has_limit = self.request.build_limits.disk is not None
        with out_of_space_told(self.space.work_dir, has_limit=has_limit), claimed:
            return self._compile(phases, names)

    def _compile(self, all_phases: tuple[Phases, ...], names: Mapping[int, str]) -> Compiled:
        records: list[BuildpackRecord] = []
        reported: dict[str, object] = {}
        release = BuildpackRelease()
        line, timed = self.progress.line, self.timeline.timed
        for order, phases in enumerate(all_phases):
            label = phases.label
            if order not in names:
                self.sandbox.expect(_PHASES)
            name = names.get(order) or timed(f"detect {label}", phases.detect)(line)
            self.progress.event("detected", buildpack=label, name=name)
            self.progress.step(f"{name} app detected")
            timed(f"compile {label}", phases.compile)(line)
            reporting = timed(f"report {label}", phases.report)
            report = Aside(reporting) if self.sandbox.side_by_side else None
            # The last buildpack's counts, as on Heroku.
            release = timed(f"release {label}", phases.release)(line)
            reported |= report.result() if report else reporting()
            records.append(self.brought.buildpacks[phases.position].record(name))
        python_version = reported.get("python_version")
        return Compiled(
            records=tuple(records),
            release=release,
            python_version=python_version if isinstance(python_version, str) else None,
        )

    def first_match(self, candidates: tuple[Phases, ...]) -> tuple[Phases, str]:
        """The first installed buildpack that says yes, and what it calls the app."""
        said: dict[str, tuple[str, ...]] = {}
        for phases in candidates:
            self.sandbox.expect(1)
            answer = self.timeline.timed(f"detect {phases.label}", asked)(phases, self.progress)
            if isinstance(answer, str):
                self.sandbox.expect(_PHASES - 1)
                self.progress.info(f"{phases.label} recognised it, of {len(candidates)} installed.")
                return phases, answer
            said[phases.label] = answer
        raise NoBuildpackFoundError(said)

    def all_phases(self) -> tuple[Phases, ...]:
        """Each buildpack with what its programs run in."""
        request, sandbox = self.request, self.sandbox
        env = build_environment(
            request.env,
            home=str(sandbox.home),
            path=sandbox.path,
            stack=sandbox.stack().id,
            commit=self.commit,
            pyenv=None if sandbox.kind is SandboxKind.DOCKER else pyenv_versions(request.env),
        )
        deadline = time.monotonic() + request.timeout
        return tuple(
            Phases(
                sandbox=sandbox,
                space=self.space,
                env={**own_tools(), **env} if spec == OWN else env,
                position=position,
                label=spec.label,
                deadline=deadline,
                limit=request.timeout,
                detect_limit=request.detect_timeout,
                earlier=() if self.brought.choice.is_loop else tuple(range(position)),
            )
            for position, spec in enumerate(self.brought.choice.specs)
        )


def asked(phases: Phases, progress: Progress) -> str | tuple[str, ...]:
    """What a buildpack calls the app, or the lines in which it says that the app is not its own.

    Any code but 0 is a no, as the buildpack API has it, unless its program could not do its work.
    """
    try:
        return phases.detect(progress.line)
    except NotDetectedError as err:
        return err.said
    except PhaseFailedError as err:
        if not 0 < err.code < 128 or err.code in _NOT_A_NO:
            raise
        progress.warning(
            f"bin/detect of the buildpack {phases.label} ended with code {err.code}, which is\n"
            "taken as a no. The code for that is 1."
        )
        return err.last_lines


def bring_buildpacks(
    request: BuildRequest, space: BuildSpace, sandbox: Sandbox, progress: Progress
) -> Brought:
    """Fetch and copy all of them before any code of theirs runs and could move our targets."""
    choice = decide(request, space.build_dir, progress)
    if not request.obey_lock or not os.path.lexists(space.build_dir / LOCK_FILE):
        return Brought(choice=choice, buildpacks=_fetch(choice, request, space, sandbox, progress))
    from slugc.buildpacks.lock import read_lock, require_locked, restricted

    lock = read_lock(space.build_dir)
    choice = restricted(choice, lock)
    found = _fetch(choice, request, space, sandbox, progress)
    require_locked(found, lock)
    return Brought(choice=choice, buildpacks=found)


def _fetch(
    choice: Choice, request: BuildRequest, space: BuildSpace, sandbox: Sandbox, progress: Progress
) -> tuple[Buildpack, ...]:
    found = []
    for position, spec in enumerate(choice.specs):
        _tell_fetch(spec, choice, progress)
        buildpack = fetch_buildpack(
            spec,
            store=request.data_dir / STORE,
            scratch=space.scratch_dir / f"buildpack-{position}",
            env=request.env,
            path=sandbox.path,
            has_programs=sandbox.kind is not SandboxKind.DOCKER,
            timeout=request.fetch_timeout,
            watch=partial(progress.moved, "fetched"),
            trusted=_trusted(request),
        )
        if not choice.is_loop:
            tell_buildpack(buildpack, spec, progress)
        provide_copy(
            buildpack,
            space.buildpacks_dir / str(position),
            last=space.last_buildpacks_dir / str(position),
            note=space.seals_dir / f"buildpack-{position}",
        )
        found.append(buildpack)
    return tuple(found)


def _trusted(request: BuildRequest) -> Trusted:
    """Where a source's buildpacks may come from with the user's rights: its own server, too."""
    location = request.source.location
    return request.trusted.naming(location) if "://" in location else request.trusted


def tell_buildpack(buildpack: Buildpack, spec: BuildpackSpec, progress: Progress) -> None:
    """Which buildpack builds the app, for programs."""
    progress.event(
        "buildpack",
        buildpack=spec.label,
        source=buildpack.source,
        version=buildpack.version,
        digest=buildpack.digest,
    )


def decide(request: BuildRequest, top: Path, progress: Progress) -> Choice:
    """Which buildpacks build the source in ``top``, saying what is passed over."""
    choice = choose_buildpacks(
        request.buildpacks,
        top,
        installed=installed_specs(request.data_dir),
        known=lambda: known_names(request.data_dir, request.env),
        trusted=_trusted(request),
    )
    if choice.unused:
        names = " and ".join(choice.unused)
        progress.info(f"Not asked for buildpacks: {names}, because {choice.origin} comes first.")
    return choice


def _tell_fetch(spec: BuildpackSpec, choice: Choice, progress: Progress) -> None:
    origin = f" (from {choice.origin})" if choice.origin else ""
    match spec.kind:
        case BuildpackKind.INSTALLED if not choice.is_loop:
            progress.step(f"Using the installed buildpack {spec.name}{origin}")
        case BuildpackKind.OWN if origin:
            progress.step(f"Using our own buildpack {OWN.source}{origin}")
        case BuildpackKind.OWN | BuildpackKind.INSTALLED:
            return
        case _:
            progress.step(f"Fetching buildpack {spec.source}{origin}")
