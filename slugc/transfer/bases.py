"""Opens what ``--stack-image`` and ``slugc rebase`` name, wherever it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from slugc.transfer.base_image import BaseImage, make_base, rootfs_base
from slugc.transfer.image import ARCHITECTURES
from slugc.transfer.image_source import StoredImage, docker_image, layout_image
from slugc.transfer.image_stores import (
    ImageUnusableError,
    LayoutArchive,
    LayoutDir,
    is_layout,
    split_tag,
)
from slugc.transfer.peeking import peek
from slugc.transfer.slug_layers import Packing, file_chunks
from slugc.transfer.streams import plain
from slugc.transfer.tar_files import SourceUnreadableError, TarFiles
from slugc.transfer.targets import Target, Transport, split_transport

MARKS = ("manifest.json", "oci-layout")
"""What lies at the top of an archive of an image, and of no root file system."""

_FORMS = (
    "An image is a tar of it, oci:DIR[:TAG] or docker://HOST/NAME:TAG;\n"
    "`slugc stack build -o FILE` makes a stack image."
)


class Surroundings(Protocol):
    """What a request says of where it comes from."""

    @property
    def cwd(self) -> Path: ...

    @property
    def env(self) -> Mapping[str, str]: ...

    @property
    def plain_http(self) -> bool: ...


def open_base(text: str, request: Surroundings, packing: Packing, *, arch: str) -> BaseImage:
    """The base that ``text`` names, for a slug made on ``arch``."""
    target = image_target(text, request.cwd)
    if target.transport is Transport.ROOTFS:
        _require_file(target.path)
        return rootfs_base(target.path, packing, arch=arch)
    if target.transport is Transport.TAR:
        _require_file(target.path)
        if not peek(plain(file_chunks(target.path)), MARKS, limit=1):
            return rootfs_base(target.path, packing, arch=arch)
    return make_base(open_image(target, request, packing.scratch, arch=arch), packing)


def open_image(target: Target, request: Surroundings, scratch: Path, *, arch: str) -> StoredImage:
    """The image at ``target``; of several, the one for ``arch`` (as uname(2) calls it)."""
    wanted = ARCHITECTURES.get(arch, arch)
    match target.transport:
        case Transport.OCI:
            place, tag = split_tag(target.place)
            return layout_image(LayoutDir(Path(place)), arch=wanted, tag=tag)
        case Transport.OCI_ARCHIVE | Transport.DOCKER_ARCHIVE | Transport.TAR:
            place, tag = split_tag(target.place)
            _require_file(Path(place))
            files = TarFiles(Path(place), scratch)
            return _archive_image(files, arch=arch, tag=tag)
        case Transport.REGISTRY:
            from slugc.transfer.registry import pull

            return pull(target.place, env=request.env, plain_http=request.plain_http, arch=wanted)
        case _:
            raise ImageUnusableError(target.shown, f"A {target.transport} holds no image.")


def image_target(text: str, cwd: Path) -> Target:
    """``TRANSPORT:PLACE``, or a path: a layout's directory, or an archive of any kind."""
    if (found := split_transport(text, cwd=cwd)) is not None:
        return found
    path = cwd / text
    if is_layout(path):
        return Target(transport=Transport.OCI, place=str(path))
    return Target(transport=Transport.TAR, place=str(path))


def kind_of(files: TarFiles) -> Transport | None:
    """What an archive holds: an image in Docker's form or in OCI's, or none."""
    names = files.names()
    if "manifest.json" in names:  # newer `docker save` writes both: this is the older reader's
        return Transport.DOCKER_ARCHIVE
    return Transport.OCI_ARCHIVE if {"oci-layout", "index.json"} <= names else None


def _archive_image(files: TarFiles, *, arch: str, tag: str | None) -> StoredImage:
    kind = kind_of(files)
    if kind is Transport.DOCKER_ARCHIVE:
        return docker_image(files)
    if kind is Transport.OCI_ARCHIVE:
        wanted = ARCHITECTURES.get(arch, arch)
        return layout_image(LayoutArchive(files), arch=wanted, tag=tag)
    raise ImageUnusableError(
        str(files.path), "It has neither a manifest.json nor an oci-layout at its top."
    )


def _require_file(path: Path) -> None:
    if not path.is_file():
        found = "It is no file." if path.exists() else "There is no such file."
        raise SourceUnreadableError(path, found, _FORMS)
