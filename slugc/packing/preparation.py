"""What packing needs from before the build, made ready while build code runs.

Meanwhile we would only wait. Nothing here decides anything: what turns out otherwise when the
build has ended is looked at again, as if nothing had been prepared.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from buildpack.support.values import value
from slugc.packing.compared import Compared
from slugc.packing.draft import Draft, begin_draft
from slugc.packing.frames import FileIdentity, file_identity
from slugc.packing.layer_memory import LayerMemory
from slugc.slug import Slug, SlugFormat, SlugMetadata, read_slug, verify_slug
from slugc.slug_errors import UNUSABLE
from slugc.store import Store


@value
class Present:
    """The slug that is already where the new one goes, compared with its digests."""

    slug: Slug
    identity: FileIdentity

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(layer.digest for layer in self.slug.metadata.layers)


@value
class Preparation:
    """What the last build packed, and what of the new slug is already there."""

    memory: LayerMemory
    present: Present | None = None
    draft: Draft | None = None


def prepare_packing(
    output: Path,
    seals_dir: Path,
    store: Store,
    format: SlugFormat,  # noqa: A002  # the word it is known by
    *,
    newest: int = 0,
) -> Preparation:
    """Read what is known, and begin the slug with the layers that will probably be in it.

    ``newest`` is when the source last changed: a slug older than that is probably not to stay.
    """
    memory = LayerMemory(seals_dir, store=store, format=format)
    present = None if _is_older(output, newest) else find_present(output, memory.compared)
    memory.compared.keep()
    likely = tuple(layer.digest for layer in memory.likely)
    if present and likely == present.digests[: len(likely)]:
        return Preparation(memory=memory, present=present)
    frames = [frame for layer in memory.likely for frame in layer.parts]
    draft = begin_draft(output.parent, frames, store, format.suffix)
    return Preparation(memory=memory, present=present, draft=draft)


def _is_older(output: Path, newest: int) -> bool:
    try:
        return output.lstat().st_mtime_ns < newest
    except OSError:
        return False


def find_present(
    output: Path, compared: Compared, wanted: SlugMetadata | None = None
) -> Present | None:
    """The slug at ``output`` if it is one, whole to the last byte; if it is ``wanted``, where that
    is given: of another nobody asks more than its index."""
    before = file_identity(output)
    try:
        slug = read_slug(output)
        if wanted is not None and slug.metadata != wanted:
            return None
        checksum = slug.metadata.checksum
        identity = compared.identity(output, checksum, partial(_is_whole, slug))
    except UNUSABLE:
        return None
    # Else another slug was put there after we had read whose this is.
    return Present(slug=slug, identity=identity) if identity and identity == before else None


def _is_whole(slug: Slug) -> bool:
    verify_slug(slug)  # raises what is wrong
    return True
