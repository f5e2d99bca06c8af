"""Where a slug goes: ``TRANSPORT:PLACE``, or a place whose name says what it is."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from buildpack.support.errors import UsageError, printable_path
from buildpack.support.values import value

STDOUT = "-"


class Transport(StrEnum):
    """A kind of place. The value is what stands before the colon."""

    TGZ = "tgz"
    TAR = "tar"
    DIRECTORY = "dir"
    DOCKER_ARCHIVE = "docker-archive"
    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    REGISTRY = "docker"
    DOCKERFILE = "dockerfile"
    ROOTFS = "rootfs"

    @property
    def is_image(self) -> bool:
        return self in IMAGES


IMAGES = frozenset(
    {Transport.DOCKER_ARCHIVE, Transport.OCI, Transport.OCI_ARCHIVE, Transport.REGISTRY}
)
_IMAGE_FILES = IMAGES - {Transport.REGISTRY}
TARGETS = (*(each for each in Transport if each is not Transport.ROOTFS),)
STREAMED = frozenset(
    {Transport.TGZ, Transport.TAR, Transport.DOCKER_ARCHIVE, Transport.OCI_ARCHIVE}
)

# What skopeo and others call the same.
_OTHER_NAMES = {"registry": Transport.REGISTRY, "heroku": Transport.TGZ}
_ENDINGS = {".tgz": Transport.TGZ, ".tar.gz": Transport.TGZ, ".tar": Transport.TAR}

_LIST = """\
  FILE.tgz, tgz:FILE, -       Heroku's layout, ./app/... as gzip (- is standard output)
  FILE.tar, tar:FILE          the same, not compressed
  DIR/, dir:DIR               the app's files
  docker-archive:FILE         an image for `docker load`
  oci:DIR, oci-archive:FILE   an image in the OCI layout
  docker://HOST/NAME:TAG      an image in a registry
  dockerfile:DIR              a Dockerfile and what it needs"""


class UnknownTargetError(UsageError):
    """A target whose kind cannot be told."""

    id = "unknown-target"

    def __init__(self, text: str, found: str) -> None:
        self.text_given, self.found = text, found
        super().__init__(
            f"'{printable_path(text)}' does not say what to make",
            details=found,
            resolution=f"Targets are:\n{_LIST}",
        )


@value
class Target:
    """A kind of place and the place: a path, a registry's reference, or ``-``."""

    transport: Transport
    place: str

    @property
    def path(self) -> Path:
        return Path(self.place)

    @property
    def is_stdout(self) -> bool:
        return self.place == STDOUT

    @property
    def shown(self) -> str:
        """As it may stand in a message."""
        slashes = "//" if self.transport is Transport.REGISTRY else ""
        return printable_path(f"{self.transport}:{slashes}{self.place}")


def parse_target(text: str, *, cwd: Path) -> Target:
    """The target ``text`` names, as typed on the command line. Raises UnknownTargetError."""
    if not text:  # as from "$OUT", where nobody set it: never the directory we are in
        raise UnknownTargetError(text, "It is empty.")
    if text == STDOUT:
        return Target(transport=Transport.TGZ, place=STDOUT)
    if found := split_transport(text, cwd=cwd):
        return _checked(found, text)
    for ending, transport in _ENDINGS.items():
        if text.endswith(ending):
            return Target(transport=transport, place=_absolute(text, cwd))
    if text.endswith("/") or Path(_absolute(text, cwd)).is_dir():
        return Target(transport=Transport.DIRECTORY, place=_absolute(text, cwd))
    raise UnknownTargetError(text, "It has no transport before a colon, and no ending we know.")


def split_transport(text: str, *, cwd: Path) -> Target | None:
    """What ``TRANSPORT:PLACE`` names; None where there is no such word before a colon."""
    word, colon, place = text.partition(":")
    transport = _OTHER_NAMES.get(word) or (Transport(word) if word in set(Transport) else None)
    if not colon or transport is None:
        return None
    if transport is Transport.REGISTRY:
        return Target(transport=transport, place=place.removeprefix("//"))
    if not place:
        return Target(transport=transport, place="")
    return Target(transport=transport, place=_absolute(place, cwd))


def _checked(target: Target, text: str) -> Target:
    if not target.place:
        raise UnknownTargetError(text, "Nothing follows the colon.")
    if target.transport not in TARGETS:
        raise UnknownTargetError(text, f"A {target.transport} can only be read.")
    if target.is_stdout and target.transport not in STREAMED:
        raise UnknownTargetError(text, f"{target.transport} cannot go to standard output.")
    if target.transport in _IMAGE_FILES and ":" in target.path.name:
        # Read back, as by everybody else, what follows the colon would be its name.
        raise UnknownTargetError(text, "An image is named with --tag NAME:TAG, not after its path.")
    return target


def _absolute(place: str, cwd: Path) -> str:
    return place if place == STDOUT else os.path.normpath(cwd / place)
