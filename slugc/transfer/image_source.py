"""Images that exist: read from an OCI layout, an archive of one, `docker save`, or a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial

from buildpack.support.errors import printable
from buildpack.support.values import value
from slugc.json_fields import Fields
from slugc.slug_format import GZIP_MAGIC, ZSTD_MAGIC
from slugc.transfer.image import INDEX_TYPE, LAYER_TYPES, Blob, ImageLayer, history_of
from slugc.transfer.image_stores import (
    BlobStore,
    ImageUnusableError,
    LayoutArchive,
    LayoutDir,
    limited,
)
from slugc.transfer.streams import Compression, checked, facts_of, plain
from slugc.transfer.tar_files import TarFiles

MAX_LAYERS = 500
_NESTED = 4  # indexes in indexes
_INDEX_TYPES = {INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"}
_LAYER_TYPES: Mapping[str, Compression] = {
    **{kind: compression for compression, kind in LAYER_TYPES.items()},
    "application/vnd.docker.image.rootfs.diff.tar": Compression.NONE,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": Compression.GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": Compression.ZSTD,
}


@value
class StoredImage:
    """An image as it is stored. Its layers' history is empty: the configuration has it."""

    shown: str
    config: Mapping[str, object]
    layers: tuple[ImageLayer, ...]
    digest: str | None = None
    """of its manifest, where it has one"""
    reference: str | None = None
    """its name in a registry"""

    @property
    def settings(self) -> Mapping[str, object]:
        """How its containers start."""
        found = self.config.get("config")
        return found if isinstance(found, dict) else {}

    @property
    def labels(self) -> Mapping[str, str]:
        found = self.settings.get("Labels")
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def layout_image(store: LayoutDir | LayoutArchive, *, arch: str, tag: str | None) -> StoredImage:
    """The image in an OCI layout: the one called ``tag``, or the one for ``arch``."""
    fields = _parse(store.index(), store.shown, "index.json")
    entries = fields.each("manifests")
    if tag is not None:
        entries = tuple(each for each in entries if _ref_name(each) == tag)
        if not entries:
            raise ImageUnusableError(store.shown, f"It holds no image called {printable(tag)}.")
    return oci_image(store, _choose(entries, store.shown, arch), arch=arch)


def oci_image(
    store: BlobStore, digest: str, *, arch: str, content: bytes | None = None
) -> StoredImage:
    """The image whose manifest, or index of manifests, ``digest`` names. ``content`` is that
    document, where it is already known."""
    for _ in range(_NESTED):
        document = content if content is not None else _document(store, digest)
        content = None
        fields = _parse(document, store.shown, digest)
        if "manifests" not in fields.mapping:
            return _image(store, fields, digest)
        digest = _choose(fields.each("manifests"), store.shown, arch)
    raise ImageUnusableError(store.shown, f"Its indexes are nested more than {_NESTED} deep.")


def docker_image(files: TarFiles) -> StoredImage:
    """The image in an archive that `docker save` wrote."""
    shown = str(files.path)
    listed = _json(limited(_member(files, "manifest.json"), shown), shown, "manifest.json")
    if not isinstance(listed, list) or len(listed) != 1:
        count = len(listed) if isinstance(listed, list) else 0
        raise ImageUnusableError(shown, f"It holds {count} images; it must hold one.")
    entry = Fields(listed[0], error=lambda found: ImageUnusableError(shown, f"{found}."))
    config = _parse(limited(_member(files, entry.text("Config")), shown), shown, "Config")
    names = entry.mapping.get("Layers")
    diff_ids = _diff_ids(config, shown)
    if not isinstance(names, list) or len(names) != len(diff_ids):
        raise ImageUnusableError(shown, "Its layers and their digests are not as many.")
    layers = tuple(
        _archived_layer(files, str(name), diff_id)
        for name, diff_id in zip(names, diff_ids, strict=True)
    )
    return StoredImage(shown=shown, config=config.mapping, layers=layers)


def _archived_layer(files: TarFiles, name: str, diff_id: str) -> ImageLayer:
    size = files.size(name)
    if size is None:
        raise ImageUnusableError(str(files.path), f"It has no file {printable(name)}.")
    read = partial(files.chunks, name)
    head = next(read(), b"")[:4]
    if not head.startswith((GZIP_MAGIC, ZSTD_MAGIC)):
        kind, digest = Compression.NONE, diff_id
    else:
        kind = Compression.GZIP if head.startswith(GZIP_MAGIC) else Compression.ZSTD
        digest = facts_of(read()).digest
    blob = Blob(digest=digest, size=size, media_type=LAYER_TYPES[kind], read=read)
    return _layer_of(blob, diff_id, str(files.path))


def _image(store: BlobStore, manifest: Fields, digest: str) -> StoredImage:
    config_digest = manifest.below("config").digest("digest")
    config = _parse(_document(store, config_digest), store.shown, config_digest)
    diff_ids = _diff_ids(config, store.shown)
    entries = manifest.each("layers")
    if len(entries) != len(diff_ids):
        raise ImageUnusableError(store.shown, "Its layers and their digests are not as many.")
    layers = tuple(
        _stored_layer(store, entry, diff_id)
        for entry, diff_id in zip(entries, diff_ids, strict=True)
    )
    return StoredImage(
        shown=store.shown,
        config=config.mapping,
        layers=layers,
        digest=digest,
        reference=getattr(store, "reference", None),
    )


def _stored_layer(store: BlobStore, entry: Fields, diff_id: str) -> ImageLayer:
    kind = entry.text("mediaType")
    if kind not in _LAYER_TYPES:
        raise ImageUnusableError(store.shown, f"A layer is of the kind {printable(kind)}.")
    blob = Blob(
        digest=entry.digest("digest"),
        size=entry.number("size"),
        media_type=LAYER_TYPES[_LAYER_TYPES[kind]],
        read=partial(store.blob, entry.digest("digest")),
        origin=getattr(store, "repository", ""),
    )
    return _layer_of(blob, diff_id, store.shown)


def _layer_of(blob: Blob, diff_id: str, shown: str) -> ImageLayer:
    """A stored layer. Its tar is checked when it has been read; so is the blob by who copies it."""

    def tar() -> Iterator[bytes]:
        return checked(plain(blob.read()), diff_id, where=shown)

    return ImageLayer(diff_id=diff_id, blob=blob, tar=tar, history={})


def _choose(entries: tuple[Fields, ...], shown: str, arch: str) -> str:
    """The one manifest that is meant: the only one, or the only one for linux on ``arch``."""
    fitting = entries
    if len(entries) > 1:
        fitting = tuple(each for each in entries if _platform(each) == ("linux", arch))
    if len(fitting) != 1:
        listed = ", ".join(sorted(filter(None, map(_described, entries)))) or "none"
        raise ImageUnusableError(
            shown, f"{len(fitting)} of its images are for linux/{arch}; it has: {listed}."
        )
    return fitting[0].digest("digest")


def _platform(entry: Fields) -> tuple[str, str] | None:
    platform = entry.mapping.get("platform")
    if not isinstance(platform, dict):
        return None
    return str(platform.get("os")), str(platform.get("architecture"))


def _ref_name(entry: Fields) -> str | None:
    notes = entry.mapping.get("annotations")
    found = notes.get("org.opencontainers.image.ref.name") if isinstance(notes, dict) else None
    return str(found) if found is not None else None


def _described(entry: Fields) -> str:
    return _ref_name(entry) or "/".join(_platform(entry) or ())


def _diff_ids(config: Fields, shown: str) -> tuple[str, ...]:
    rootfs = config.below("rootfs").mapping.get("diff_ids")
    if not isinstance(rootfs, list) or len(rootfs) > MAX_LAYERS:
        raise ImageUnusableError(shown, "Its configuration lists no layers, or far too many.")
    return tuple(_digest(each, shown) for each in rootfs)


def _digest(found: object, shown: str) -> str:
    fields = Fields({"diff_id": found}, error=lambda what: ImageUnusableError(shown, f"{what}."))
    return fields.digest("diff_id")


def _document(store: BlobStore, digest: str) -> bytes:
    return limited(checked(store.blob(digest), digest, where=store.shown), store.shown)


def _parse(content: bytes, shown: str, name: str) -> Fields:
    found = _json(content, shown, name)
    return Fields(found, error=lambda what: ImageUnusableError(shown, f"In {name}: {what}."))


def _json(content: bytes, shown: str, name: str) -> object:
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise ImageUnusableError(shown, f"Its {name} is not JSON.") from err
    return found


def _member(files: TarFiles, name: str) -> Iterator[bytes]:
    if files.size(name) is None:
        raise ImageUnusableError(str(files.path), f"It has no file {printable(name)}.")
    return files.chunks(name)


def history_of_layers(config: Mapping[str, object], count: int) -> tuple[Mapping[str, object], ...]:
    """One entry of history for each layer: the image's own, where it has as many."""
    entries = config.get("history")
    own = [
        each
        for each in (entries if isinstance(entries, list) else [])
        if isinstance(each, dict) and not each.get("empty_layer")
    ]
    return tuple(own) if len(own) == count else (history_of("stack image"),) * count
