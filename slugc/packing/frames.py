"""Compressed frames in the store: made once, recognised by the signature of what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from buildpack.support.errors import SlugkitError
from buildpack.support.values import NOTHING, value
from slugc.archive.compression import Compressor, codec_version, new_compressor
from slugc.archive.scan import Entry
from slugc.archive.writer import MODIFIED, tar_bytes
from slugc.json_fields import Fields
from slugc.packing.cuts import cut_layer, tar_size
from slugc.packing.layers import LayerPlan
from slugc.packing.signatures import tree_signature
from slugc.progress import unwatched
from slugc.slug import Frame, Layer, SlugFormat
from slugc.slug_index import layer_of
from slugc.store import Store, note_use

# Raised by one whenever the packer's bytes change for the same tree.
PACKER = 2
FileIdentity = tuple[int, int, int, int, int]
_PIECE = 1024 * 1024
_WORKERS = 2  # frames packed at once
# Frames of this size are compressed by several threads, which takes memory: one at a time.
_HUGE = 64 * 1024 * 1024


class NoteIllegibleError(SlugkitError):
    """A note in the store cannot be read; it is written anew, nobody sees this."""

    id = "note-illegible"


@value
class _Part:
    """One frame to be. The first of a layer begins with the root directory."""

    entries: tuple[Entry, ...]
    is_first: bool


class FrameMaker:
    """Finds frames by the signature of what is in them, or packs them.

    ``whole`` names files of the store that were compared with their digests and are not read
    again while they are the same. ``wanted`` is asked before each frame; ``watch`` is told how
    many bytes of files were packed by now.
    """

    def __init__(
        self,
        store: Store,
        tree: Path,
        format: SlugFormat,  # noqa: A002  # the word it is known by
        *,
        whole: Mapping[str, FileIdentity] = NOTHING,
        wanted: Callable[[], bool] = lambda: True,
        watch: Callable[[int], None] = unwatched,
    ) -> None:
        self._store, self._tree, self._format = store, tree, format
        self._whole, self._wanted, self._watch = whole, wanted, watch
        self._read, self._counting = 0, threading.Lock()
        self._huge = threading.Lock()
        self.made: set[str] = set()
        """Digests of the frames that were packed, also when not all were wanted in the end."""

    def ensure(self, plans: Sequence[LayerPlan]) -> tuple[Layer, ...]:
        """The layers, lowest first, with every frame in the store."""
        cuts = [_parts(plan) for plan in plans]
        done = iter(self._ensure_frames([part for parts in cuts for part in parts]))
        return tuple(
            layer_of(plan.name, [next(done) for _ in parts])
            for plan, parts in zip(plans, cuts, strict=True)
        )

    def _ensure_frames(self, parts: Sequence[_Part]) -> Iterable[Frame]:
        if len(parts) == 1:
            return (self._ensure_frame(parts[0]),)
        # Where nothing but the app is new it is not needed, and it takes three milliseconds.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_WORKERS) as pool:
            return list(pool.map(self._ensure_frame, parts))

    def _ensure_frame(self, part: _Part) -> Frame:
        if not self._wanted():
            raise NotWantedError
        salt = f"{frame_salt(self._format)}{' first' if part.is_first else ''}"
        signature = tree_signature(self._tree, part.entries, salt=salt)
        if signature is not None:
            note_use(self._store.signature_file(signature))
            known = _known_frame(self._store, signature)
            if known is not None and self._is_there(known):
                note_use(self._store.frame_file(known.diff_id, self._format.suffix))
                return known
        frame = self._pack(part)
        self.made.add(frame.digest)
        if signature is not None:
            _note(self._store.signature_file(signature), frame)
        return frame

    def _is_there(self, frame: Frame) -> bool:
        file = self._store.frame_file(frame.diff_id, self._format.suffix)
        seen = self._whole.get(frame.digest)
        return (seen is not None and seen == file_identity(file)) or is_whole(file, frame)

    def _pack(self, part: _Part) -> Frame:
        """Read the files once, hashing and compressing as they come."""
        size = sum(map(tar_size, part.entries))
        if size < _HUGE:
            return self._compress(part, new_compressor(self._format, size=size))
        with self._huge:
            return self._compress(part, new_compressor(self._format, size=size, workers=_WORKERS))

    def _compress(self, part: _Part, compressor: Compressor) -> Frame:
        with self._store.temporary_frame() as temporary, temporary.open("wb") as out:
            plain, packed = hashlib.sha256(), hashlib.sha256()
            plain_size = 0
            for piece in _in_pieces(tar_bytes(self._tree, part.entries, root=part.is_first)):
                plain.update(piece)
                plain_size += len(piece)
                self._count(len(piece))
                _write(out, packed, compressor.compress(piece))
            _write(out, packed, compressor.finish())
            frame = Frame(
                diff_id=f"sha256:{plain.hexdigest()}",
                digest=f"sha256:{packed.hexdigest()}",
                size=out.tell(),
                uncompressed_size=plain_size,
            )
            out.flush()
            temporary.replace(self._store.frame_file(frame.diff_id, self._format.suffix))
        return frame

    def _count(self, size: int) -> None:
        with self._counting:
            self._read += size
            self._watch(self._read)


class NotWantedError(Exception):
    """Nobody waits for the frames any more."""


def frame_salt(format: SlugFormat) -> str:  # noqa: A002  # as above
    """What decides a frame's bytes beside the tree."""
    return f"{PACKER} {MODIFIED} {codec_version(format)}"


def file_identity(file: Path) -> FileIdentity | None:
    """What stays the same until a file is replaced or written to; None when there is none."""
    try:
        found = file.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_whole(file: Path, frame: Frame) -> bool:
    """Whether the frame in the store is there and as noted. 60 MB cost a twentieth of a second."""
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            return content.tell() == frame.size and f"sha256:{digest}" == frame.digest
    except FileNotFoundError:
        return False


def _parts(plan: LayerPlan) -> tuple[_Part, ...]:
    cuts = cut_layer(plan.entries)
    return tuple(_Part(entries=cut, is_first=at == 0) for at, cut in enumerate(cuts))


def _known_frame(store: Store, signature: str) -> Frame | None:
    """What was noted for this signature; None when nothing, or nothing legible, was."""
    try:
        content = store.signature_file(signature).read_bytes()
    except FileNotFoundError:
        return None
    try:
        fields = Fields(json.loads(content), error=NoteIllegibleError)
        return Frame(
            diff_id=fields.digest("diff_id"),
            digest=fields.digest("digest"),
            size=fields.number("size"),
            uncompressed_size=fields.number("uncompressed_size"),
        )
    except (ValueError, NoteIllegibleError):
        return None  # the frame is packed again and noted anew


def _note(file: Path, frame: Frame) -> None:
    """Not synced to the disk, as frames are not: a torn note is as good as none."""
    note = {
        "diff_id": frame.diff_id,
        "digest": frame.digest,
        "size": frame.size,
        "uncompressed_size": frame.uncompressed_size,
    }
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        temporary.write_text(json.dumps(note))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _write(out: BinaryIO, digest: hashlib._Hash, data: bytes) -> None:
    if data:
        digest.update(data)
        out.write(data)


def _in_pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Headers and small files joined to pieces worth hashing and compressing."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= _PIECE:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)
