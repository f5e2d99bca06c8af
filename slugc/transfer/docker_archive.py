"""Writes an image as `docker save` does, for `docker load` of any age.

https://github.com/moby/moby/blob/master/image/spec/v1.2.md#combined-image-json--filesystem-changeset-format
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from slugc.slug_format import TAR_END
from slugc.transfer.image import Image, canonical_json
from slugc.transfer.oci_layout import file_member, stream_member
from slugc.transfer.outputs import write_all
from slugc.transfer.streams import checked


def write_docker_archive(image: Image, out: BinaryIO, *, name: str, shown: str) -> None:
    """Write the archive; loaded, the image is called ``name``, a repository and a tag."""
    write_all(out, _archive(image, name, shown))


def _archive(image: Image, name: str, shown: str) -> Iterator[bytes]:
    config = f"{image.config.digest.removeprefix('sha256:')}.json"
    files = [f"{layer.diff_id.removeprefix('sha256:')}.tar" for layer in image.layers]
    manifest = [{"Config": config, "RepoTags": [name], "Layers": files}]
    yield from file_member("manifest.json", canonical_json(manifest))
    yield from file_member(config, b"".join(image.config.read()))
    for file, layer in dict(zip(files, image.layers, strict=True)).items():
        content = checked(layer.blob.read(), layer.blob.digest, where=shown)
        yield from stream_member(file, layer.blob.size, content)
    yield TAR_END
