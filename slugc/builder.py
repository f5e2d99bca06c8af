"""Builds a slug: the table of contents of this room, and the values it starts from and gives."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.locks import locked
from slugc.aside import Aside
from slugc.build_environment import build_path, exposed_paths, own_tools, passed_settings
from slugc.build_log import counted, note_result, tell_links, tell_result, tell_size, tell_source
from slugc.build_request import BuildRequest, BuiltSlug
from slugc.build_space import BuildSpace, opened_space
from slugc.buildpacks.compiling import BuildRun, Compiled, bring_buildpacks
from slugc.buildpacks.errors import NoProcessTypesError
from slugc.privileges import hand_over
from slugc.procfile import ProcessType, merge_process_types, read_procfile
from slugc.progress import Progress
from slugc.sandbox import ChosenSandbox, Entrance
from slugc.sandbox.base import SandboxKind, SandboxRequest
from slugc.slug import SlugFacts
from slugc.sources.errors import SourceSecretsError
from slugc.sources.left_out import LeftOutNotes
from slugc.sources.pruning import prune_built_tree
from slugc.sources.source import SourceKind, StagedSource, stage_source
from slugc.store import BUILDPACKS_LOCK, Store
from slugc.timeline import Timeline

if TYPE_CHECKING:
    from slugc.packing.early import EarlyPacker
    from slugc.packing.preparation import Preparation

_SWITCH = 0.0005
"""Seconds after which a thread that computes lets another go on. Starting a sandbox is fifty short
calls of the kernel, and with Python's 0.005 each could wait so long for who reads notes."""


class BuildDirLostError(SlugkitError):
    """A buildpack put something else in the build dir's place."""

    exit_code = ExitCode.DATA
    id = "build-dir-lost"

    def __init__(self) -> None:
        super().__init__(
            "The build dir is no longer a directory",
            details="A buildpack removed it, or put a link in its place.",
            resolution="Nothing was packed. Check the buildpacks given with -b.",
        )


def build_slug(request: BuildRequest, progress: Progress) -> BuiltSlug:
    """Turn a source into one slug file, which appears whole or not at all."""
    timeline = Timeline(progress.event)
    progress.event("build_started", app=request.app)
    with contextlib.ExitStack() as stack:
        space = stack.enter_context(
            opened_space(request.space_root, keep_cache=request.keep_cache, waiting=progress.info)
        )
        walls = stack.enter_context(contextlib.ExitStack())
        with timeline.step("stage"):
            chosen, source = _enter_and_stage(request, space, walls, progress)
        tell_source(source, progress)
        read_procfile(space.build_dir)  # what is wrong with it is told now, not after the build
        _write_env_dir(space.env_dir, request.config_vars)
        with timeline.step("fetch"), locked(request.data_dir / BUILDPACKS_LOCK, shared=True):
            brought = bring_buildpacks(request, space, chosen.sandbox, progress)
        store = Store(request.data_dir / "store")
        with _preparing(request, space, store, source) as preparing:
            compiled = BuildRun(
                request=request,
                space=space,
                sandbox=chosen.sandbox,
                brought=brought,
                commit=source.commit,
                progress=progress,
                timeline=timeline,
            ).compile()
            stack_id = chosen.sandbox.stack()
            if chosen.sandbox.side_by_side:  # taking it down is mostly waiting: packing need not
                stack.callback(Aside(walls.close).result)
            _require_build_dir(space.build_dir)
            process_types = _discover_process_types(request, space, compiled, progress)
            progress.step("Packing the slug")
            packing_since = timeline.elapsed  # of what was begun early, the rest is waited for here
        left_out = LeftOutNotes(source.staged.notes)
        _prune(space, left_out, progress)
        prepared, early = preparing.result()
        from slugc.packing.slug_writer import write_slug
        from slugc.supply_chain.materials import materials_of

        written = timeline.timed("pack", write_slug, since=packing_since)(
            space.build_dir,
            request.output,
            facts=SlugFacts(
                name=request.name,
                stack=stack_id,
                buildpacks=compiled.records,
                process_types=process_types,
                config_vars=compiled.release.config_vars,
                python_version=compiled.python_version,
                commit=source.commit,
                materials=materials_of(request.source),
            ),
            store=store,
            format=request.format,
            limits=request.limits,
            prepared=prepared,
            watch=partial(progress.moved, "packed"),
        )
        links = {**early.left_out, **written.left_out}
        for path, target in links.items():
            left_out.add(os.fsdecode(path), f"a link to {printable(target)}, outside the app")
    built = BuiltSlug(
        slug=written.slug,
        sandbox=chosen.sandbox.kind,
        unchanged=written.unchanged,
        duration=timeline.elapsed,
        left_out=left_out.result(),
    )
    packed = written.packed | early.packed
    tell_links(links, progress)
    tell_result(request, built, packed, progress)
    tell_size(built, request.warn_size, progress)
    note_result(request, built, built.slug.layers_without(packed), timeline, progress)
    return built


def sandbox_request(request: BuildRequest, space: BuildSpace) -> SandboxRequest:
    """The sandbox a request asks for, around its space."""
    return SandboxRequest(
        work_dir=space.work_dir,
        exposed=exposed_paths({**own_tools(), **request.env}),
        stack=request.stack,
        path=build_path(),
        network=request.network,
        settings=passed_settings(request.env, request.config_vars),
        limits=request.build_limits,
    )


def _enter_and_stage(
    request: BuildRequest, space: BuildSpace, stack: contextlib.ExitStack, progress: Progress
) -> tuple[ChosenSandbox, StagedSource]:
    """Copy the source while the sandbox is put up: one computes, the other waits for programs.

    One after the other where the copy takes long: the first line of a build is not to wait for it.
    """
    entrance = Entrance(stack, request.sandbox, sandbox_request(request, space))
    at_once = (
        request.source.kind is SourceKind.DIRECTORY and request.sandbox is not SandboxKind.DOCKER
    )
    try:
        source = stage(request, space, progress) if at_once else None
    finally:
        chosen = entrance.finished()
        progress.event("sandbox", kind=chosen.sandbox.kind.value, stack=chosen.sandbox.stack().id)
        progress.step(_first_line(request, chosen))
        for notice in chosen.sandbox.notices:
            progress.warning(notice)
    return chosen, source or stage(request, space, progress)


@contextlib.contextmanager
def _preparing(
    request: BuildRequest, space: BuildSpace, store: Store, source: StagedSource
) -> Iterator[Aside[tuple[Preparation, EarlyPacker]]]:
    """Make packing ready, and pack what can be packed, while build code runs."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    preparing = Aside(lambda: _prepare(request, space, store, source))
    try:
        yield preparing
    finally:
        preparing.result()[1].finish()
        sys.setswitchinterval(before)


def _prepare(
    request: BuildRequest, space: BuildSpace, store: Store, source: StagedSource
) -> tuple[Preparation, EarlyPacker]:
    """Here and not above is where the modules that packing needs are imported."""
    if not os.path.lexists(space.build_dir / "Procfile"):  # else most have nothing to say
        import yaml  # noqa: F401  # parse_release needs it

    from slugc.packing import slug_writer  # noqa: F401
    from slugc.packing.early import EarlyPacker
    from slugc.packing.preparation import prepare_packing

    is_here = request.source.kind is SourceKind.DIRECTORY  # else everything in it is new
    prepared = prepare_packing(
        request.output,
        space.seals_dir,
        store,
        request.format,
        newest=source.staged.newest if is_here else 0,
    )
    early = EarlyPacker(
        space.build_dir,
        store,
        request.format,
        request.limits,
        finished=space.finished_dir,
        memory=prepared.memory,
    )
    early.start()
    return prepared, early


def _first_line(request: BuildRequest, chosen: ChosenSandbox) -> str:
    stack = chosen.sandbox.stack().id
    return f"Building {request.app} (sandbox: {chosen.shown}, stack: {stack})"


def stage(request: BuildRequest, space: BuildSpace, progress: Progress) -> StagedSource:
    """Copy the request's source into the space's build dir."""
    source = stage_source(
        request.source,
        space.build_dir,
        scratch=space.scratch_dir / "source",
        env=request.env,
        ours=frozenset({request.data_dir, request.space_root}),
        timeout=request.fetch_timeout,
        copy_timeout=request.timeout,
        watch=partial(progress.moved, "fetched"),
        trusted=request.trusted,
    )
    if request.strict_secrets and source.staged.secrets:
        raise SourceSecretsError(source.staged.secrets)
    return source


def _write_env_dir(env_dir: Path, config_vars: Mapping[str, str]) -> None:
    """One file for each config var, for the build alone to read; gone when it ends."""
    for name, content in config_vars.items():
        path = env_dir / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.fsencode(content))
        hand_over(path)


def _require_build_dir(build_dir: Path) -> None:
    """Build code may write beside its build dir; a link there must not lead our packer away."""
    if not (os.path.lexists(build_dir) and stat.S_ISDIR(build_dir.lstat().st_mode)):
        raise BuildDirLostError


def _discover_process_types(
    request: BuildRequest, space: BuildSpace, compiled: Compiled, progress: Progress
) -> Mapping[ProcessType, str]:
    progress.step("Discovering process types")
    declared = read_procfile(space.build_dir, warn=progress.warning)
    defaults = compiled.release.default_process_types
    process_types = merge_process_types(declared, defaults)
    if not process_types and not request.allow_no_processes:
        raise NoProcessTypesError(compiled.records[-1].source)
    if declared:
        progress.info(f"Procfile declares types -> {', '.join(declared)}")
    if added := [kind for kind in defaults if kind not in (declared or {})]:
        progress.info(f"Default types of {compiled.records[-1].name} -> {', '.join(added)}")
    if not process_types:
        progress.info("None: the slug runs one-off commands only.")
    progress.event(
        "process_types", process_types=dict(process_types), declared=list(declared or {})
    )
    return process_types


def _prune(space: BuildSpace, left_out: LeftOutNotes, progress: Progress) -> None:
    """Take out what .slugignore.after names."""
    trash = space.scratch_dir / "pruned"
    if pruned := prune_built_tree(space.build_dir, trash=trash, notes=left_out):
        progress.info(f"Left out by .slugignore.after: {counted(pruned)}")
