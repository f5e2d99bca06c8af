"""``slugc verify``: whether a slug is whole and safe, judged as if it were unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.values import value
from slugc.archive.headers import MemberKind
from slugc.archive.judge import TreePath
from slugc.archive.judging import judge_archive
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.inspection.contents import MOST_TAR, Chunks, read_contents
from slugc.inspection.wording import counted, pairs, size_text
from slugc.packing.layers import APP
from slugc.procfile import PROCFILE, parse_procfile
from slugc.slug import Slug, SlugDamagedError
from slugc.slug_verify import PlainDigests, layer_chunks, verify
from slugc.unpack import LayersConflictError


@value
class Check:
    """One thing that was looked at and is as it must be."""

    name: str
    found: str


class ProcfileDiffersError(SlugkitError):
    """Who reads the Procfile in a slug would not know what the slug runs."""

    exit_code = ExitCode.DATA
    id = "procfile-differs"

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)
        super().__init__(
            f"The slug {printable_path(path)} does not run what the Procfile in it says",
            details=f"Its index has other commands for: {', '.join(names)}.",
            resolution="Slugkit does not write such slugs. Build it again with `slugc build`.",
        )


def verify_slug_file(slug: Slug) -> tuple[Check, ...]:
    """Every check that ``slug`` passed. Raises the error of the first that it did not.

    The index was judged when the slug was read: its place, its form and its checksum.
    """
    verify(slug)
    layers = slug.metadata.layers
    judged = [_judge_layer(slug, place) for place in range(len(layers))]
    kinds = _fitted(slug, judged)
    files = sum(1 for kind in kinds.values() if kind is not MemberKind.DIRECTORY)
    frames = sum(len(layer.parts) for layer in layers)
    size = size_text(sum(layer.uncompressed_size for layer in layers))
    return (
        Check(name="Index", found=f"canonical, as its checksum says: {slug.metadata.checksum}"),
        Check(
            name="Frames",
            found=f"{counted(frames, 'frame')} of {counted(len(layers), 'layer')},"
            " each as its digests say, packed and unpacked",
        ),
        Check(
            name="Contents",
            found=f"{counted(files, 'file')}, {size}; no path or link leads out of the app",
        ),
        Check(name="Layers", found="fit together: no path lies in two of them"),
        *_compared_procfile(slug),
    )


def _judge_layer(slug: Slug, place: int) -> Mapping[TreePath, MemberKind]:
    layer = slug.metadata.layers[place]
    digests = PlainDigests(layer)
    kinds = judge_archive(
        Chunks(layer_chunks(slug, layer)),
        limits=Limits(packed=MOST_TAR, unpacked=DEFAULT_LIMITS.unpacked),
        root="app",
        ends=False,
        watch=digests.update,
    )
    if damage := digests.damage():
        raise SlugDamagedError(slug.archive, (damage,))
    return kinds


def _compared_procfile(slug: Slug) -> Iterator[Check]:
    """A slug that was imported may have been told otherwise, by another compiler's notes."""
    layers = [layer for layer in slug.metadata.layers if layer.name == APP]
    found = read_contents(slug, keep=PROCFILE.__eq__, layers=layers).kept.get(PROCFILE)
    if found is None or not slug.metadata.buildpacks:
        return
    types = slug.metadata.process_types
    wrong = [kind for kind, line in parse_procfile(found).items() if types.get(kind) != line]
    if wrong:
        raise ProcfileDiffersError(slug.archive, wrong)
    yield Check(name="Procfile", found="says what the slug runs")


def _fitted(
    slug: Slug, judged: list[Mapping[TreePath, MemberKind]]
) -> Mapping[TreePath, MemberKind]:
    """All layers over each other, as ``store`` would have them. A layer named twice is one."""
    found: dict[TreePath, MemberKind] = {}
    seen: set[str] = set()
    for layer, kinds in zip(slug.metadata.layers, judged, strict=True):
        if layer.diff_id in seen:
            continue
        seen.add(layer.diff_id)
        for path, kind in kinds.items():
            directories = kind is MemberKind.DIRECTORY and found.get(path, kind) is kind
            if path in found and not directories:
                raise LayersConflictError(slug.archive, b"/".join(path))
            found[path] = kind
    return found


def checks_text(heading: str, checks: tuple[Check, ...], *, width: int) -> str:
    """What was found, below one line that says it all."""
    return f"{heading}\n\n{pairs(((each.name, each.found) for each in checks), width=width)}"
