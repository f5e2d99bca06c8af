"""Writes an image as an OCI layout, a directory or an archive of one, without a daemon.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from slugc.archive.headers import MemberKind, padding_of
from slugc.archive.writer import header
from slugc.slug_format import TAR_END
from slugc.transfer.image import INDEX_TYPE, MANIFEST_TYPE, Blob, Image, blob_of, canonical_json
from slugc.transfer.outputs import write_all
from slugc.transfer.streams import checked

LAYOUT = canonical_json({"imageLayoutVersion": "1.0.0"})
REF_NAME = "org.opencontainers.image.ref.name"


def write_layout(image: Image, directory: Path, *, tag: str, shown: str) -> None:
    """Fill the empty ``directory``."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in _all_blobs(image):
        with (blobs / _hex(blob)).open("xb") as out:
            write_all(out, checked(blob.read(), blob.digest, where=shown))
    (directory / "oci-layout").write_bytes(LAYOUT)
    (directory / "index.json").write_bytes(layout_index(image, tag))


def write_layout_archive(image: Image, out: BinaryIO, *, tag: str, shown: str) -> None:
    """Write the same as one tar."""
    write_all(out, _archive(image, tag, shown))


def _archive(image: Image, tag: str, shown: str) -> Iterator[bytes]:
    yield from file_member("oci-layout", LAYOUT)
    yield from file_member("index.json", layout_index(image, tag))
    yield header(b"blobs/", MemberKind.DIRECTORY)
    yield header(b"blobs/sha256/", MemberKind.DIRECTORY)
    for blob in _all_blobs(image):
        content = checked(blob.read(), blob.digest, where=shown)
        yield from stream_member(f"blobs/sha256/{_hex(blob)}", blob.size, content)
    yield TAR_END


def layout_index(image: Image, tag: str) -> bytes:
    """``index.json``: the one image and its name."""
    manifest = _manifest_blob(image).descriptor()
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [{**manifest, "annotations": {REF_NAME: tag}}],
        }
    )


def file_member(name: str, content: bytes) -> Iterator[bytes]:
    """A file in memory as a member of a tar."""
    return stream_member(name, len(content), (content,))


def stream_member(name: str, size: int, content: Iterable[bytes]) -> Iterator[bytes]:
    """A stream of ``size`` bytes as a member of a tar."""
    yield header(name.encode(), MemberKind.FILE, size=size)
    yield from content
    yield bytes(padding_of(size))


def _all_blobs(image: Image) -> tuple[Blob, ...]:
    return (*image.blobs(), _manifest_blob(image))


def _manifest_blob(image: Image) -> Blob:
    return blob_of(image.manifest(), MANIFEST_TYPE)


def _hex(blob: Blob) -> str:
    return blob.digest.removeprefix("sha256:")
