"""Unpacking layers into the store: verified first, as an unprivileged user, all or nothing.

A layer is unpacked under a temporary name, written to the disk, and renamed. Killed at any moment,
this leaves a temporary directory, which whoever takes that layer's lock next removes.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from buildpack.support.deletion import remove_tree
from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.files import publishing_dir, write_atomically
from buildpack.support.locks import locked
from buildpack.support.machine import LIMITS
from slugc.archive.extract import extract
from slugc.archive.headers import MemberKind
from slugc.archive.judge import TreePath
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.scan import scan_tree
from slugc.privileges import in_dropped_child, require_reachable
from slugc.slug import Layer, Slug, SlugDamagedError
from slugc.slug_verify import PlainDigests, Section, open_slug, verify_layers
from slugc.store import Store, StoreNotWritableError


class LayersConflictError(SlugkitError):
    """Two layers of a slug disagree about what lies at a path."""

    exit_code = ExitCode.DATA
    id = "layers-conflict"

    def __init__(self, path: Path, name: bytes) -> None:
        self.path, self.name = path, name
        super().__init__(
            f"The layers of the slug {printable_path(path)} do not fit together",
            details=f"More than one of them holds '{printable(name)}'.",
            resolution="Slugkit does not write such slugs. Build it again with `slugc build`.",
        )


def unpack_layers(store: Store, slug: Slug, missing: tuple[Layer, ...]) -> None:
    """Unpack the missing layers and check that all of the slug's layers fit together."""
    require_reachable(store.root)
    descriptor = open_slug(slug)
    try:
        with ExitStack() as locks:
            # Sorted: two slugs that share layers never wait for each other in a circle.
            for diff_id in sorted({layer.diff_id for layer in missing}):
                locks.enter_context(locked(store.lock_file(diff_id)))
            in_dropped_child(partial(_unpack_all, store, slug, missing, descriptor))
    except OSError as err:
        if err.errno in LIMITS:
            raise
        raise StoreNotWritableError(store.root, str(err)) from err
    finally:
        os.close(descriptor)


def _unpack_all(store: Store, slug: Slug, missing: tuple[Layer, ...], descriptor: int) -> None:
    """The unprivileged part. Other processes may have unpacked some while we waited."""
    layers = [layer for layer in missing if not store.layer_dir(layer.diff_id).is_dir()]
    verify_layers(descriptor, slug, layers)
    for layer in layers:
        if not store.layer_dir(layer.diff_id).is_dir():  # a slug may name a layer twice
            _unpack(store.layer_dir(layer.diff_id), slug, layer, descriptor)
    _check_fit(store, slug)
    write_atomically(store.judged_file(slug.metadata.checksum), b"")


def _unpack(target: Path, slug: Slug, layer: Layer, descriptor: int) -> None:
    for leftover in target.parent.glob(f".{target.name}.*.tmp"):
        remove_tree(leftover)  # we hold the layer's lock: nobody is writing it
    section = Section(descriptor, offset=layer.offset, size=layer.size)
    plain = PlainDigests(layer)
    with publishing_dir(target) as temporary:
        extract(section, temporary, _limits(layer), root="app", ends=False, watch=plain.update)
        if damage := plain.damage():
            raise SlugDamagedError(slug.archive, (damage,))
        _sync(temporary)


def _limits(layer: Layer) -> Limits:
    """The layer's own size is known; it may not be more than any slug may hold either."""
    return Limits(packed=max(layer.size, 1), unpacked=DEFAULT_LIMITS.unpacked)


def _check_fit(store: Store, slug: Slug) -> None:
    """No path lies in two layers, directories apart.

    Each layer's links were judged against that layer alone; a second layer that put a link where
    the first has a directory could still lead them out of the tree.
    """
    directories: set[TreePath] = set()
    others: set[TreePath] = set()
    for diff_id in dict.fromkeys(layer.diff_id for layer in slug.metadata.layers):
        for entry in scan_tree(store.layer_dir(diff_id), DEFAULT_LIMITS):
            is_directory = entry.kind is MemberKind.DIRECTORY
            if entry.path in others or (not is_directory and entry.path in directories):
                raise LayersConflictError(slug.archive, b"/".join(entry.path))
            (directories if is_directory else others).add(entry.path)


def _sync(directory: Path) -> None:
    """Write the file system to the disk: a layer, once visible, survives a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(directory))
    finally:
        os.close(descriptor)
