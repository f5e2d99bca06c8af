"""Where an imported slug comes from: a file, a URL, standard input, a directory, an image."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from buildpack.support.values import value
from slugc.archive.errors import ArchiveLimitError
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.plain_stream import Readable
from slugc.slug import SlugFacts, read_slug
from slugc.slug_format import FOOTER_MAGIC, GZIP_MAGIC, TAR_END, ZSTD_MAGIC
from slugc.slug_verify import tar_chunks
from slugc.sources.download import downloaded
from slugc.sources.errors import SourceFromTerminalError
from slugc.sources.trusted import NOBODY
from slugc.stack import read_host_stack
from slugc.transfer.app_facts import NotOurImageError, facts_of_label, facts_of_slug
from slugc.transfer.bases import MARKS, image_target, open_image
from slugc.transfer.image import STARTER, AppFacts, ImageLayer
from slugc.transfer.peeking import peek
from slugc.transfer.rebase import own_layers
from slugc.transfer.slug_layers import file_chunks
from slugc.transfer.streams import checked, without_end
from slugc.transfer.tar_files import SourceUnreadableError
from slugc.transfer.targets import Target, Transport

if TYPE_CHECKING:
    from slugc.transfer.slug_import import ImportRequest

_DOWNLOAD_TIMEOUT = 600.0  # seconds, for the 500 MB that a slug may have
_ENDINGS = (".tar.gz", ".tgz", ".tar.zst", ".tar", ".slug")
# The plain tar of layers is as large as what it holds, and as the headers in it.
_PLAIN = Limits(packed=2 * DEFAULT_LIMITS.unpacked)


@value
class ImportSource:
    """What is imported: a tar stream, or a tree that is there already."""

    name: str
    """what the slug's file is called if nobody says"""
    stream: Readable | None = None
    tree: Path | None = None
    root: str = ""
    """the directory of the archive that all of it must lie in, if that is known"""
    limits: Limits = DEFAULT_LIMITS
    facts: SlugFacts | None = None
    """what it says about itself, where it was a slug of ours"""
    beside: Path | None = None
    """the directory a file lies in"""


@contextmanager
def open_source(request: ImportRequest, scratch: Path) -> Iterator[ImportSource]:
    """What ``request`` names, open for reading until the block ends."""
    text = request.source
    if text == "-":
        if os.isatty(0):
            raise SourceFromTerminalError("slugc import - < slug.tgz")
        yield ImportSource(name="app", stream=sys.stdin.buffer)
    elif re.match(r"https?://", text):
        with downloaded(
            text,
            scratch / "download",
            timeout=_DOWNLOAD_TIMEOUT,
            peers=NOBODY.naming(text).peers,
        ) as stream:
            yield ImportSource(name=_name(urlsplit(text).path), stream=stream)
    else:
        with _opened(image_target(text, request.cwd), request, scratch) as source:
            yield source


@contextmanager
def _opened(target: Target, request: ImportRequest, scratch: Path) -> Iterator[ImportSource]:
    path = target.path
    if target.transport.is_image or _is_image_archive(target):
        stored = open_image(target, request, scratch, arch=read_host_stack().arch)
        app = facts_of_label(stored.labels, target.shown)
        layers = own_layers(stored, target.shown)[:-1]
        if not layers:
            raise NotOurImageError(target.shown, f"It holds no layers but that of {STARTER}.")
        with _spooled(_joined(layers, target.shown), scratch) as stream:
            yield _our_source(app, stream, name=app.name or "app")
    elif path.is_dir():
        yield ImportSource(name=_name(path.name), tree=path)
    elif _is_slug(path):
        slug = read_slug(path)
        with _spooled(tar_chunks(slug), scratch) as stream:
            yield _our_source(facts_of_slug(slug), stream, name=slug.metadata.name)
    else:
        try:
            stream = path.open("rb")
        except OSError as err:
            raise SourceUnreadableError(path, err.strerror or str(err)) from err
        with stream:
            yield ImportSource(name=_name(path.name), stream=stream, beside=path.parent)


def _is_image_archive(target: Target) -> bool:
    """Whether a plain tar is an image. A compressed one is named docker-archive:FILE."""
    if target.transport is not Transport.TAR or not target.path.is_file():
        return False
    head = next(file_chunks(target.path), b"")
    if head.startswith((GZIP_MAGIC, ZSTD_MAGIC, b"./", b"app/")):
        return False
    return bool(peek(file_chunks(target.path), MARKS, limit=1))


def _is_slug(path: Path) -> bool:
    """Whether it is a slug of ours already, in either format."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
        return FOOTER_MAGIC in file.read()


def _our_source(app: AppFacts, stream: Readable, *, name: str) -> ImportSource:
    return ImportSource(name=name, stream=stream, root="app", limits=_PLAIN, facts=app.facts)


@contextmanager
def _spooled(tar: Iterable[bytes], scratch: Path) -> Iterator[BinaryIO]:
    """A slug's tar stream as an open file: the process that unpacks it may open nothing of ours.

    The layers of an image, one after the other, are the tar stream of its slug.
    """
    size = 0
    with (scratch / "tar").open("x+b") as file:
        for chunk in tar:
            size += len(chunk)
            if size > _PLAIN.packed:
                raise ArchiveLimitError("bytes", _PLAIN.packed, size)
            file.write(chunk)
        file.seek(0)
        yield file


def _joined(layers: tuple[ImageLayer, ...], shown: str) -> Iterator[bytes]:
    for layer in layers:
        tar = partial(checked, layer.tar(), layer.diff_id, where=shown)
        yield from without_end(tar(), len(TAR_END))
    yield TAR_END


def _name(file: str) -> str:
    name = file.rstrip("/").rpartition("/")[2]
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:63] or "app"
