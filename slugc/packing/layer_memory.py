"""What the last build of an app packed, so that an unchanged layer is neither listed nor read.

SPACE/seals/<layer>    which frames the layer became, and a seal of every entry of its directories

A scan looks at each directory and file of a layer, which for 9,000 entries takes a twentieth of a
second; a seal that is unbroken says the same in half of that. It only ever saves work: a layer
whose seal is missing, broken or made under other conditions is scanned as in a first build.

While build code runs there is nothing for us to do, so that is when seals are read and the frames
they name are compared with their digests, unless an earlier build has done so (compared.py). A
frame then counts as whole while its inode, size and times are those of the file that was compared:
a file of the store is replaced, never written to.
"""

from __future__ import annotations

import json
import os
import stat
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from buildpack.support.files import publishing
from buildpack.support.seals import Seal, decode_seal, encode_seal, is_unbroken, safe_after
from buildpack.support.values import value
from slugc.archive.judge import TreePath
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.scan import Entry
from slugc.json_fields import Fields
from slugc.packing.compared import Compared
from slugc.packing.frames import (
    FileIdentity,
    NoteIllegibleError,
    file_identity,
    frame_salt,
    is_whole,
)
from slugc.packing.layers import LAYER_DIRECTORIES, LayerPlan
from slugc.slug import Frame, Layer, SlugFormat
from slugc.slug_index import encode_frames, parse_layer
from slugc.store import Store, note_use

_LONGEST_HEADER = 1024 * 1024


@value
class KnownLayer:
    """A layer as the last build packed it."""

    layer: Layer
    entries: int
    size: int
    """of its files, unpacked"""
    seals: tuple[tuple[TreePath, Seal], ...]
    """one for each of its top directories"""
    frames: Mapping[str, FileIdentity]
    """the files that were found to be whole, by their digest"""

    @property
    def roots(self) -> frozenset[TreePath]:
        return frozenset(path for path, _ in self.seals)


class LayerMemory:
    """What one app's last build packed; made while build code runs, asked when it has ended."""

    def __init__(
        self,
        directory: Path,
        *,
        store: Store,
        format: SlugFormat,  # noqa: A002  # the word it is known by
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._directory = directory
        self._store = store
        self._suffix = format.suffix
        # What is known was judged under these limits, and packed by this packer.
        self._salt = f"{frame_salt(format)} {limits}"
        self.compared = Compared(directory / "compared")
        self.whole: dict[str, FileIdentity] = {}
        """Files of frames that were compared with their digests, whatever became of the seals."""
        self._known = self._read()

    @property
    def likely(self) -> tuple[Layer, ...]:
        """The layers the next slug begins with, unless the build changes one of them."""
        return tuple(known.layer for known in self._known)

    def unchanged(self, tree: Path) -> dict[str, KnownLayer]:
        """The layers that lie in ``tree`` as they were packed, by name. What is known of the
        others is forgotten: of many files it would take much memory while they are packed."""
        self._known = tuple(known for known in self._known if self._is_unchanged(known, tree))
        return {known.layer.name: known for known in self._known}

    def _is_unchanged(self, known: KnownLayer, tree: Path) -> bool:
        return (
            _present(tree, known.layer.name) == known.roots
            and all(
                file_identity(self._file(frame)) == known.frames[frame.digest]
                for frame in known.layer.parts
            )
            and all(is_unbroken(_below(tree, root), seal) for root, seal in known.seals)
        )

    def learn(self, plan: LayerPlan, layer: Layer, *, scanned: int) -> None:
        """``note`` a layer that was packed while the build goes on: ``unchanged`` knows it, too."""
        encoded = self.note(plan, layer, scanned=scanned)
        seals = [(root, decode_seal(data)) for root, data in zip(plan.roots, encoded, strict=False)]
        found = {frame.digest: file_identity(self._file(frame)) for frame in layer.parts}
        known = KnownLayer(
            layer=layer,
            entries=len(plan.entries),
            size=sum(entry.size for entry in plan.entries),
            seals=tuple((root, seal) for root, seal in seals if seal is not None),
            frames={digest: identity for digest, identity in found.items() if identity},
        )
        if len(known.seals) == len(plan.roots) and len(known.frames) == len(found):
            others = (other for other in self._known if other.layer.name != plan.name)
            self._known = (*others, known)

    def note(self, plan: LayerPlan, layer: Layer, *, scanned: int) -> Sequence[bytes]:
        """Remember a layer that was packed, or recognised, after the scan begun at ``scanned``.

        Not if something in it changed so shortly before that a later change might go unseen.
        Returns the encoded seals of its roots, none where it was not remembered.
        """
        encoded = []
        for root in plan.roots:
            changed = array("q", (entry.changed for entry in _inside(root, plan.entries)))
            if safe_after(changed) > scanned:
                return ()
            seal = _encoded_below(root, plan.entries, changed)
            encoded.append((os.fsdecode(b"/".join(root)), seal))
        if not encoded:
            return ()
        header = {
            "salt": self._salt,
            "diff_id": layer.diff_id,
            "digest": layer.digest,
            "size": layer.size,
            "uncompressed_size": layer.uncompressed_size,
            "entries": len(plan.entries),
            "unpacked": sum(entry.size for entry in plan.entries),
            **({"frames": encode_frames(layer.frames)} if layer.frames else {}),
            "roots": [{"path": path, "length": len(data)} for path, data in encoded],
        }
        self._directory.mkdir(exist_ok=True)
        with publishing(self._directory / plan.name) as temporary, temporary.open("xb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            file.writelines(data for _, data in encoded)
        return [data for _, data in encoded]

    def _read(self) -> tuple[KnownLayer, ...]:
        found = (self._read_layer(name) for name, _ in LAYER_DIRECTORIES)
        return tuple(known for known in found if known is not None)

    def _read_layer(self, name: str) -> KnownLayer | None:
        try:
            content = (self._directory / name).read_bytes()
            return self._parsed(name, content)
        except (OSError, ValueError, NoteIllegibleError):
            return None  # the layer is scanned, and noted anew

    def _parsed(self, name: str, content: bytes) -> KnownLayer | None:
        end = content.index(b"\n", 0, _LONGEST_HEADER)
        fields = Fields(json.loads(content[:end]), error=NoteIllegibleError)
        layer = parse_layer(fields, name=name, offset=0)
        if fields.text("salt") != self._salt:
            return None
        seals, at = [], end + 1
        for root in fields.each("roots"):
            seal = decode_seal(content[at : at + root.number("length")])
            if seal is None:
                return None
            seals.append((_tree_path(root.text("path")), seal))
            at += root.number("length")
        frames = self._whole_frames(layer)
        if frames is None:
            return None
        self.whole |= frames
        return KnownLayer(
            layer=layer,
            entries=fields.number("entries"),
            size=fields.number("unpacked"),
            seals=tuple(seals),
            frames=frames,
        )

    def _whole_frames(self, layer: Layer) -> dict[str, FileIdentity] | None:
        """The files of a layer's frames, compared with their digests; None if one is not whole."""
        found = {}
        for frame in layer.parts:
            file = self._file(frame)
            note_use(file)
            identity = self.compared.identity(file, frame.digest, partial(is_whole, file, frame))
            if identity is None:
                return None
            found[frame.digest] = identity
        return found

    def _file(self, frame: Frame) -> Path:
        return self._store.frame_file(frame.diff_id, self._suffix)


def _present(tree: Path, layer: str) -> frozenset[TreePath]:
    """Which of a layer's top directories are in the tree, as real directories."""
    candidates = dict(LAYER_DIRECTORIES)[layer]
    return frozenset(_tree_path(path) for path in candidates if _is_real_dir(tree, path))


def _tree_path(text: str) -> TreePath:
    return tuple(os.fsencode(text).split(b"/"))


def _below(tree: Path, path: TreePath) -> Path:
    return tree / os.fsdecode(b"/".join(path))


def _is_real_dir(tree: Path, path: str) -> bool:
    place = tree
    for part in path.split("/"):
        place = place / part
        try:
            if not stat.S_ISDIR(place.lstat().st_mode):
                return False
        except FileNotFoundError:
            return False
    return True


def _inside(root: TreePath, entries: Iterable[Entry]) -> Iterator[Entry]:
    depth = len(root)
    return (entry for entry in entries if len(entry.path) > depth and entry.path[:depth] == root)


def _encoded_below(root: TreePath, entries: Sequence[Entry], changed: Sequence[int]) -> bytes:
    return encode_seal(
        (b"/".join(entry.path[len(root) :]) for entry in _inside(root, entries)),
        array("Q", (entry.inode for entry in _inside(root, entries))),
        changed,
    )
