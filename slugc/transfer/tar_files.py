"""The files of an archive that is read by name: `docker save`'s, or an OCI layout's."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from slugc.archive.errors import ArchiveDamagedError, ArchiveError
from slugc.archive.headers import MemberKind
from slugc.archive.limits import Limits
from slugc.archive.members import MemberReader
from slugc.archive.plain_stream import DamagedStreamError, PlainStream
from slugc.slug_format import GZIP_MAGIC, ZSTD_MAGIC
from slugc.transfer.slug_layers import file_chunks
from slugc.transfer.streams import MAX_IMAGE_LAYER, plain

_LIMITS = Limits(packed=MAX_IMAGE_LAYER)
_MOST_FILES = 10_000
_MOST_LINKS = 8


class SourceUnreadableError(SlugkitError):
    """What should be read is not there, or may not be read."""

    exit_code = ExitCode.NO_INPUT
    id = "transfer-source"

    def __init__(self, path: Path, found: str, resolution: str = "") -> None:
        self.path, self.found = path, found
        super().__init__(
            f"{printable_path(path)} cannot be read", details=found, resolution=resolution
        )


class TarFiles:
    """An archive's files and where each begins. Nothing of it is unpacked anywhere.

    A compressed one is decompressed into ``scratch`` first: it is read here and there.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path = path
        self._links: dict[str, str] = {}
        self._places: dict[str, tuple[int, int]] = {}
        try:
            self._file = _plain_file(path, scratch)
            with self._file.open("rb") as raw:
                self._read_names(raw)
        except OSError as err:
            raise SourceUnreadableError(path, err.strerror or str(err)) from err
        except ArchiveError as err:
            err.details = f"{printable_path(path)}\n\n{err.details}"
            raise

    def names(self) -> frozenset[str]:
        return frozenset(self._places)

    def size(self, name: str) -> int | None:
        """How large the file is; None when there is none."""
        place = self._place(name)
        return None if place is None else place[1]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The file's bytes; it must be there."""
        place = self._place(name)
        assert place is not None
        return file_chunks(self._file, *place)

    def _place(self, name: str) -> tuple[int, int] | None:
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                return self._places.get(name)
            name = self._links[name]
        return None

    def _read_names(self, raw: BinaryIO) -> None:
        try:
            stream = PlainStream(raw, _LIMITS)
        except DamagedStreamError as err:
            raise ArchiveDamagedError(str(err), 0) from err
        reader = MemberReader(stream, ends=True)
        while (member := reader.next()) is not None:
            name = posixpath.normpath(os.fsdecode(member.name))
            if member.kind is MemberKind.FILE:
                self._places[name] = (stream.tell(), member.size)
            elif member.kind is not MemberKind.DIRECTORY:
                # Older `docker save` writes a layer once and links to it.
                base = "" if member.kind is MemberKind.HARD_LINK else posixpath.dirname(name)
                target = posixpath.join(base, os.fsdecode(member.target))
                self._links[name] = posixpath.normpath(target)
            if len(self._places) + len(self._links) > _MOST_FILES:
                raise reader.damaged(f"it holds more than {_MOST_FILES:,} files, no image does")


def _plain_file(path: Path, scratch: Path) -> Path:
    with path.open("rb") as file:
        if not file.read(4).startswith((GZIP_MAGIC, ZSTD_MAGIC)):
            return path
    descriptor, name = tempfile.mkstemp(dir=scratch, suffix=".tar")
    with os.fdopen(descriptor, "wb") as out:
        for chunk in plain(file_chunks(path)):
            out.write(chunk)
    return Path(name)
