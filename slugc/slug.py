"""Slug and its metadata: the only contract between who packs an app and who runs it.

docs/slug-format.md specifies the bytes; ``slug_format`` and ``slug_index`` read and write them.
This file is what the runner imports, so it loads in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.support.values import NOTHING, value
from slugc.procfile import ProcessType
from slugc.slug_errors import (
    NotASlugError,
    SlugDamagedError,
    SlugIndexError,
    SlugMissingError,
    SlugSchemaError,
    SlugTruncatedError,
)
from slugc.slug_format import SlugFormat
from slugc.stack import Stack

__all__ = [
    "SCHEMA",
    "BuildpackRecord",
    "Frame",
    "Layer",
    "NotASlugError",
    "Slug",
    "SlugDamagedError",
    "SlugFacts",
    "SlugFormat",
    "SlugIndexError",
    "SlugMetadata",
    "SlugMissingError",
    "SlugSchemaError",
    "SlugTruncatedError",
    "read_slug",
    "read_tar",
    "verify_slug",
]

SCHEMA = 1


@value
class BuildpackRecord:
    """A buildpack that took part in the build, exactly enough to find it again."""

    name: str
    version: str
    digest: str
    source: str


@value
class Frame:
    """A part of a layer that is compressed on its own: ``diff_id`` is the sha256 of its tar
    bytes, ``digest`` of its compressed ones."""

    diff_id: str
    digest: str
    size: int
    uncompressed_size: int


@value
class Layer:
    """A part of the tree that changes on its own, and where its frames lie in the slug.

    ``diff_id`` and ``digest`` are those of its frame. A layer of several frames has them in
    ``frames``, and digests over theirs (``slug_index.joined``).
    """

    name: str
    diff_id: str
    digest: str
    size: int
    uncompressed_size: int
    offset: int
    frames: tuple[Frame, ...] = ()
    """one after the other; none where the layer is a single frame"""

    @property
    def parts(self) -> tuple[Frame, ...]:
        """The layer's frames, however many."""
        return self.frames or (
            Frame(
                diff_id=self.diff_id,
                digest=self.digest,
                size=self.size,
                uncompressed_size=self.uncompressed_size,
            ),
        )


TREE, TREE_OF_COMMIT = "tree", "commit"
"""Among the materials of a slug whose source was a commit, read from its repository."""


@value
class SlugFacts:
    """What the compiler knows about an app before it is packed."""

    name: str
    stack: Stack
    buildpacks: tuple[BuildpackRecord, ...]
    process_types: Mapping[ProcessType, str]
    config_vars: Mapping[str, str]
    """The buildpack's defaults; a release's own config vars win."""
    python_version: str | None = None
    commit: str | None = None
    materials: Mapping[str, str] = NOTHING
    """Who built it and from where (slugc/supply_chain/materials.py): for its provenance."""

    @property
    def is_of_commit(self) -> bool:
        """Whether it was built from ``commit`` itself: a checkout may hold other changes, too."""
        return self.commit is not None and self.materials.get(TREE) == TREE_OF_COMMIT


@value
class SlugMetadata(SlugFacts):
    """Everything a slug says about itself. ``checksum`` identifies the slug."""

    layers: tuple[Layer, ...]
    checksum: str
    schema: int = SCHEMA


@value
class Slug:
    """One slug file and what it says about itself."""

    archive: Path
    metadata: SlugMetadata
    format: SlugFormat = SlugFormat.ZSTD

    def layers_without(self, digests: frozenset[str]) -> tuple[str, ...]:
        """The layers that none of these frames belong to, by name."""
        return tuple(
            layer.name
            for layer in self.metadata.layers
            if digests.isdisjoint(frame.digest for frame in layer.parts)
        )


def read_slug(path: Path) -> Slug:
    """The slug at ``path``, from its index alone: one seek, a few milliseconds.

    Raises SlugMissingError, NotASlugError, SlugTruncatedError, SlugIndexError,
    SlugSchemaError. What the layers hold is checked when they are unpacked, or by
    ``verify_slug``.
    """
    from slugc.slug_index import parse_index, read_index

    index = read_index(path)
    metadata = parse_index(index.document, path=path, frames_end=index.frames_end)
    return Slug(archive=path, metadata=metadata, format=index.format)


def verify_slug(slug: Slug) -> None:
    """Read every byte and raise SlugDamagedError, naming all that is not as the index says."""
    from slugc.slug_verify import verify

    verify(slug)


def read_tar(slug: Slug) -> Iterator[bytes]:
    """The slug as one plain tar stream, members under ``./app/``; verified before it flows."""
    from slugc.slug_verify import tar_chunks

    return tar_chunks(slug)
