"""What a build tells about its source and its result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from buildpack.support.errors import printable, printable_path
from slugc.build_request import BuildRequest, BuiltSlug
from slugc.progress import Progress, shown_bytes
from slugc.slug import Layer
from slugc.sources.source import SourceKind, StagedSource
from slugc.timeline import Timeline

MANIFESTS = frozenset({"requirements.txt", "pyproject.toml", "Pipfile", "package.json"})
"""what a buildpack recognises an app by; leaving one out is seldom meant"""


def tell_source(source: StagedSource, progress: Progress) -> None:
    """What was left out, and what perhaps should have been."""
    staged = source.staged
    progress.event(
        "source",
        commit=source.commit,
        files=staged.files,
        size=staged.size,
        left_out=staged.notes.count,
    )
    if staged.ignored:
        progress.info(f"Left out by .slugignore: {counted(staged.ignored)}")
    for name in sorted(MANIFESTS.intersection(staged.ignored)):
        progress.warning(f".slugignore leaves out {name}, which buildpacks look for.")
    if staged.spares_procfile:
        progress.warning(".slugignore names the Procfile. It is kept: it says what to run.")
    if staged.left_out:
        progress.warning(
            f"Left out: {counted(staged.left_out)}. A virtualenv names paths of the machine\n"
            "it was made on and would not run. Add it to .gitignore."
        )
    if staged.modules:
        progress.warning(
            f"Left out: {counted(staged.modules)}. What package.json asks for is installed\n"
            "anew. To take it along as it is, add '!node_modules' to .slugignore."
        )
    if staged.secrets:
        progress.warning(
            f"The slug will hold {counted(staged.secrets)}, which may be secret.\n"
            "Give secrets as config vars, and leave the files out in .slugignore."
        )


def tell_result(
    request: BuildRequest, built: BuiltSlug, packed: frozenset[str], progress: Progress
) -> None:
    """Which layers the slug has, what of them was ``packed`` for it, what it is and where."""
    layers = built.slug.metadata.layers
    shown = (f"{x.name} {shown_bytes(x.size)}{_reused(_again(x, packed), x)}" for x in layers)
    progress.info(f"Layers: {', '.join(shown)}")
    for layer in layers:
        progress.event(
            "layer",
            name=layer.name,
            size=layer.size,
            uncompressed_size=layer.uncompressed_size,
            frames=len(layer.parts),
            reused=_again(layer, packed),
        )
    checksum = built.slug.metadata.checksum[: len("sha256:") + 12]
    verb = "is unchanged at" if built.unchanged else "written to"
    size = shown_bytes(built.size)
    place = request.output_shown or printable_path(built.slug.archive)
    progress.step(f"Slug {checksum} {verb} {place} ({size}, {built.duration:.1f} s)")


def tell_links(left_out: Mapping[bytes, bytes], progress: Progress) -> None:
    """That links to the machine are in no slug."""
    if left_out:
        from slugc.packing.links import links_text  # rare

        progress.warning(links_text(left_out))


def tell_size(built: BuiltSlug, above: int, progress: Progress) -> None:
    """That a slug is large, before it is larger than it may be."""
    if built.size > above:
        progress.warning(
            f"The slug is larger than {shown_bytes(above)}: every container starts later for it.\n"
            "What fills it: slugc inspect --sizes"
        )


def _again(layer: Layer, packed: frozenset[str]) -> int:
    """How many of the layer's frames were there already."""
    return sum(frame.digest not in packed for frame in layer.parts)


def _reused(reused: int, layer: Layer) -> str:
    frames = len(layer.parts)
    if reused == frames:
        return " (unchanged)"
    return f" ({reused} of {frames} frames unchanged)" if reused else ""


def note_result(
    request: BuildRequest,
    built: BuiltSlug,
    reused: Sequence[str],
    timeline: Timeline,
    progress: Progress,
) -> None:
    """Remember the build for `slugc list`; the slug is there already, whatever becomes of this."""
    from slugc.history import BuildRecord, note_build  # not before the slug is done

    metadata = built.slug.metadata
    record = BuildRecord(
        checksum=metadata.checksum,
        name=metadata.name,
        app=request.app,
        archive=str(built.slug.archive),
        built_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        duration=built.duration,
        size=built.size,
        sandbox=built.sandbox,
        stack=metadata.stack.id,
        commit=metadata.commit,
        buildpacks=tuple(each.name for each in metadata.buildpacks),
        python_version=metadata.python_version,
        process_types=tuple(metadata.process_types),
        steps=timeline.steps,
        reused=tuple(reused),
        left_out=built.left_out,
        source=request.source.location if request.source.kind is SourceKind.DIRECTORY else None,
    )
    try:
        note_build(request.data_dir, record)
    except OSError as err:
        progress.warning(f"The build is missing from `slugc list`: {err}")


def counted(names: Sequence[str]) -> str:
    """The first names of a list and how many more there are."""
    shown = ", ".join(printable(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
