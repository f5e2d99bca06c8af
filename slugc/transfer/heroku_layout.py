"""A slug as Heroku's platform takes it: a tar of ./app/, as gzip or plain."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from slugc.slug import Slug
from slugc.slug_format import SlugFormat, end_of
from slugc.slug_verify import Section, open_slug, tar_chunks
from slugc.transfer.outputs import write_all
from slugc.transfer.streams import Compression, compressed

_CHUNK = 1024 * 1024


def write_heroku_tgz(slug: Slug, out: BinaryIO) -> None:
    """Write the verified slug as gzip: its own bytes less the index, where they are gzip."""
    if slug.format is SlugFormat.GZIP:
        write_all(out, _members(slug))
    else:
        write_all(out, compressed(tar_chunks(slug), Compression.GZIP))


def write_heroku_tar(slug: Slug, out: BinaryIO) -> None:
    """Write the verified slug as a plain tar."""
    write_all(out, tar_chunks(slug))


def _members(slug: Slug) -> Iterator[bytes]:
    size = sum(layer.size for layer in slug.metadata.layers)
    descriptor = open_slug(slug)
    try:
        section = Section(descriptor, offset=0, size=size)
        while chunk := section.read(_CHUNK):
            yield chunk
    finally:
        os.close(descriptor)
    yield end_of(slug.format)
