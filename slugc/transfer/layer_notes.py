"""What was found out about layers, kept so that they are not read for it again.

An image asks for the sha256 of a layer's tar and of its compressed bytes. Neither is in a slug's
index, where a layer may be several frames; both follow from the layer's digest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from buildpack.support.errors import SlugkitError
from buildpack.support.files import write_atomically
from buildpack.support.values import value
from slugc.archive.compression import codec_version
from slugc.json_fields import Fields
from slugc.slug_format import SlugFormat
from slugc.transfer.streams import PIECE, Compression, Facts

FORMAT = 1
MOST_NOTES = 2_000  # of 200 bytes each


class NoteIllegibleError(SlugkitError):
    """A note that cannot be read; it is made anew, nobody sees this."""

    id = "note-illegible"


@value
class LayerNote:
    """A layer's tar, and its bytes under one compression."""

    plain: Facts
    packed: Facts


class LayerNotes:
    """Notes in one directory; None keeps nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def find(self, key: str, compression: Compression) -> LayerNote | None:
        """What is known of the layer that ``key`` names."""
        if self._directory is None:
            return None
        try:
            content = self._file(self._directory, key, compression).read_bytes()
            fields = Fields(json.loads(content), error=NoteIllegibleError)
            return LayerNote(
                plain=_facts(fields.below("plain")), packed=_facts(fields.below("packed"))
            )
        except (OSError, ValueError, NoteIllegibleError):
            return None  # nothing, or nothing legible, is known: the layer is read

    def keep(self, key: str, compression: Compression, note: LayerNote) -> None:
        """Remember it for the next export."""
        if self._directory is None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        document = {
            "plain": {"digest": note.plain.digest, "size": note.plain.size},
            "packed": {"digest": note.packed.digest, "size": note.packed.size},
        }
        write_atomically(self._file(self._directory, key, compression), json.dumps(document))
        self._forget_oldest(self._directory)

    def _file(self, directory: Path, key: str, compression: Compression) -> Path:
        made_with = f"{FORMAT} {PIECE} {_codec(compression)} {key}"
        return directory / f"{hashlib.sha256(made_with.encode()).hexdigest()}.json"

    def _forget_oldest(self, directory: Path) -> None:
        found = list(directory.glob("*.json"))
        if len(found) > MOST_NOTES:
            for file in sorted(found, key=_age)[: MOST_NOTES // 2]:
                file.unlink(missing_ok=True)


def _facts(fields: Fields) -> Facts:
    return Facts(digest=fields.digest("digest"), size=fields.number("size"))


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # another export forgets too
        return 0.0


def _codec(compression: Compression) -> str:
    """Another version of a library may give other bytes."""
    match compression:
        case Compression.ZSTD:
            return codec_version(SlugFormat.ZSTD)
        case Compression.GZIP:
            return codec_version(SlugFormat.GZIP)
        case _:
            return "plain"
