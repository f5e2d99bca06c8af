"""The stack image an app's image stands on, wherever it is: a layout, an archive, a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.values import changed, value
from slugc.stack import Stack, parse_os_release
from slugc.transfer.image import (
    ARCHITECTURES,
    STACK_LABEL,
    ImageLayer,
    history_of,
)
from slugc.transfer.image_source import StoredImage, history_of_layers
from slugc.transfer.peeking import peek
from slugc.transfer.slug_layers import Packing, file_chunks, packed_layer
from slugc.transfer.streams import Compression, plain

OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
PROGRAMS = ("usr/bin/bash", "bin/bash")
_ELF_MACHINES = {  # elf(5)
    3: "i686",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
}


@value
class BaseImage(StoredImage):
    """What an app's layers are put on. Its layers have their history."""

    @property
    def env(self) -> Mapping[str, str]:
        entries = self.settings.get("Env")
        texts = [each for each in entries if "=" in str(each)] if isinstance(entries, list) else []
        return {name: text for name, _, text in (str(each).partition("=") for each in texts)}


class StackImageMissingError(SlugkitError):
    """Nobody said what the image should stand on."""

    exit_code = ExitCode.USAGE
    id = "stack-image-missing"

    def __init__(self, stack: str) -> None:
        self.stack = stack
        super().__init__(
            "An image needs a stack image to stand on",
            details=f"The slug was built for {stack}.",
            resolution="Name one with --stack-image or SLUGC_STACK_IMAGE, in one of these:\n\n"
            "    stack.tar                 made by `docker save`, an OCI archive,\n"
            "                              or the tar of a root file system\n"
            "    oci:DIR[:TAG]             an OCI layout\n"
            "    docker://HOST/NAME:TAG    an image in a registry\n\n"
            "Or make one, without Docker: slugc stack build -o stack.tar",
        )


class StackImageMismatchError(SlugkitError):
    """A stack image that this slug does not run on."""

    exit_code = ExitCode.DATA
    id = "stack-image-mismatch"

    def __init__(self, image: str, reasons: tuple[str, ...]) -> None:
        self.image, self.reasons = image, reasons
        super().__init__(
            f"The stack image {printable_path(image)} does not fit this slug",
            details="\n".join(reasons),
            resolution="Give the image of the slug's own stack, or build the app for this one.",
        )


def make_base(stored: StoredImage, packing: Packing) -> BaseImage:
    """The stored image as a base: layers kept as they are, unless they are not compressed and the
    image to come is, or must not be and are."""
    layers = []
    history = history_of_layers(stored.config, len(stored.layers))
    for layer, entry in zip(stored.layers, history, strict=True):
        if _is_fine(layer, packing.compression):
            layers.append(changed(layer, history=entry))
            continue
        layers.append(packed_layer(layer.tar, packing, key=layer.diff_id, history=entry))
    return BaseImage(
        shown=stored.shown,
        config=stored.config,
        layers=tuple(layers),
        digest=stored.digest,
        reference=stored.reference,
    )


def _is_fine(layer: ImageLayer, wanted: Compression) -> bool:
    is_plain = layer.blob.digest == layer.diff_id
    return is_plain == (wanted is Compression.NONE)


def rootfs_base(path: Path, packing: Packing, *, arch: str) -> BaseImage:
    """A base from the tar of a root file system, plain or compressed."""
    tar = partial(plain_file, path)
    layer = packed_layer(
        tar,
        packing,
        key=_identity(path),
        history=history_of("a root file system"),
    )
    found = peek(tar(), PROGRAMS, limit=20)
    machine = next((_machine(found[name]) for name in PROGRAMS if name in found), None) or arch
    config = {"architecture": ARCHITECTURES.get(machine, machine), "os": "linux", "config": {}}
    return BaseImage(shown=str(path), config=MappingProxyType(config), layers=(layer,))


def plain_file(path: Path) -> Iterator[bytes]:
    return plain(file_chunks(path))


def stack_reasons(base: BaseImage, wanted: Stack) -> tuple[str, ...]:
    """Why a slug made for ``wanted`` does not run on ``base``; empty when it does."""
    arch = str(base.config.get("architecture"))
    needed = ARCHITECTURES.get(wanted.arch, wanted.arch)
    reasons = []
    if base.config.get("os") != "linux":
        reasons.append(f"system: the slug needs linux, the image is for {base.config.get('os')}")
    if arch != needed:
        reasons.append(f"architecture: the slug needs {needed}, the image is for {arch}")
    found = base_stack(base)
    if found is None:
        reasons.append(f"stack: the slug needs {wanted.id}, the image does not say what it is")
    elif found != wanted.id:
        reasons.append(f"stack: the slug needs {wanted.id}, the image is {found}")
    return tuple(reasons)


def require_fit(base: BaseImage, wanted: Stack) -> None:
    """Raise StackImageMismatchError unless a slug made for ``wanted`` runs on ``base``."""
    if reasons := stack_reasons(base, wanted):
        raise StackImageMismatchError(base.shown, reasons)


def base_stack(base: BaseImage) -> str | None:
    """The image's stack: its label, or what the os-release in its topmost layer that has one
    says."""
    if label := base.labels.get(STACK_LABEL):
        return label
    for layer in reversed(base.layers):
        found = peek(layer.tar(), OS_RELEASE, limit=64 * 1024)
        for name in OS_RELEASE:
            if name in found:
                facts = parse_os_release(found[name].decode("utf-8", "replace"))
                return f"{facts.get('ID', 'linux')}-{facts.get('VERSION_ID', 'rolling')}"
    return None


def _machine(head: bytes) -> str | None:
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        return None
    return _ELF_MACHINES.get(int.from_bytes(head[18:20], "little" if head[5] == 1 else "big"))


def _identity(path: Path) -> str:
    found = path.stat()
    return json.dumps([str(path), found.st_ino, found.st_size, found.st_mtime_ns])
