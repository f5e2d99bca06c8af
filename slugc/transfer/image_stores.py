"""Where the blobs of an OCI image are: in a directory, in an archive, in a registry."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from slugc.transfer.slug_layers import file_chunks
from slugc.transfer.tar_files import SourceUnreadableError, TarFiles

MAX_DOCUMENT = 8 * 1024 * 1024  # a manifest or a configuration; real ones have a few KiB


class ImageUnusableError(SlugkitError):
    """Something that is no image, or none that we can use."""

    exit_code = ExitCode.DATA
    id = "image-unusable"

    def __init__(self, shown: str, found: str) -> None:
        self.shown, self.found = shown, found
        super().__init__(f"{printable_path(shown)} is no image that can be used", details=found)


class BlobStore(Protocol):
    """Where the blobs of an OCI image are."""

    shown: str

    def blob(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes, unchecked; raises when there is none."""


class LayoutDir:
    """An OCI layout as a directory."""

    def __init__(self, path: Path) -> None:
        self.path, self.shown = path, str(path)

    def index(self) -> bytes:
        return limited(self._file("index.json"), self.shown)

    def blob(self, digest: str) -> Iterator[bytes]:
        return self._file(f"blobs/sha256/{digest.removeprefix('sha256:')}")

    def _file(self, name: str) -> Iterator[bytes]:
        try:
            if (self.path / name).exists() and not (self.path / name).is_file():
                raise OSError(errno.EINVAL, "It is no regular file.")  # a FIFO would never end
            yield from file_chunks(self.path / name)
        except OSError as err:
            raise SourceUnreadableError(self.path / name, err.strerror or str(err)) from err


class LayoutArchive:
    """An OCI layout in a tar."""

    def __init__(self, files: TarFiles) -> None:
        self._files, self.shown = files, str(files.path)

    def index(self) -> bytes:
        return limited(self._file("index.json"), self.shown)

    def blob(self, digest: str) -> Iterator[bytes]:
        return self._file(f"blobs/sha256/{digest.removeprefix('sha256:')}")

    def _file(self, name: str) -> Iterator[bytes]:
        if self._files.size(name) is None:
            raise ImageUnusableError(self.shown, f"It has no file {name}.")
        return self._files.chunks(name)


def limited(chunks: Iterator[bytes], shown: str) -> bytes:
    content = b""
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_DOCUMENT:
            raise ImageUnusableError(shown, f"A document of it has over {MAX_DOCUMENT >> 20} MiB.")
    return content


def is_layout(path: Path) -> bool:
    """Whether a directory is an OCI layout."""
    return (path / "oci-layout").is_file()


def split_tag(place: str) -> tuple[str, str | None]:
    """``DIR:TAG``: what is there as a whole is a path without a tag."""
    if os.path.lexists(place) or ":" not in Path(place).name:
        return place, None
    path, _, tag = place.rpartition(":")
    return path, tag
