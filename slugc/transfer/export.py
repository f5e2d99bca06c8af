"""``slugc export``: the table of contents of what becomes of a slug elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

from buildpack.support.errors import UsageError
from buildpack.support.values import value
from slugc.inspection.wording import counted
from slugc.privileges import data_dir
from slugc.scratch import opened_scratch
from slugc.slug import Slug, verify_slug
from slugc.transfer.app_facts import facts_of_slug
from slugc.transfer.base_image import (
    BaseImage,
    StackImageMissingError,
    require_fit,
)
from slugc.transfer.bases import open_base
from slugc.transfer.directory import write_tree
from slugc.transfer.docker_archive import write_docker_archive
from slugc.transfer.dockerfile import write_dockerfile
from slugc.transfer.heroku_layout import write_heroku_tar, write_heroku_tgz
from slugc.transfer.image import Blob, Image, assemble, blob_of
from slugc.transfer.layer_notes import LayerNotes
from slugc.transfer.oci_layout import write_layout, write_layout_archive
from slugc.transfer.outputs import new_directory, opened_output, require_free
from slugc.transfer.slug_layers import Packing, slug_layers
from slugc.transfer.start_layer import start_layer
from slugc.transfer.streams import Compression
from slugc.transfer.targets import Target, Transport

Notify = Callable[[str], None]

# What reads each kind at its oldest: docker 20.10 loads plain and gzip layers, not zstd.
DEFAULT_COMPRESSION = {
    Transport.DOCKER_ARCHIVE: Compression.NONE,
    Transport.DOCKERFILE: Compression.GZIP,
}
_ALLOWED = {
    Transport.DOCKER_ARCHIVE: frozenset({Compression.NONE, Compression.GZIP}),
    Transport.DOCKERFILE: frozenset({Compression.GZIP}),
}
DEFAULT_TAG = "latest"
SIGNATURES_TYPE = "application/vnd.in-toto.bundle"
"""https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md"""


@value
class ExportRequest:
    """One export, fully decided."""

    target: Target
    stack_image: str | None
    cwd: Path
    env: Mapping[str, str]
    compression: Compression | None = None
    tag: str | None = None
    force: bool = False
    plain_http: bool = False
    attach: bool = False
    """whether the SBOM, and the signatures that lie beside the slug, go with an image"""


@value
class Exported:
    """What was made. ``digest`` is the manifest's, of an image."""

    target: Target
    digest: str | None = None


class CompressionError(UsageError):
    """A compression that the target's readers do not take."""

    id = "compression"

    def __init__(self, target: Target, compression: Compression) -> None:
        allowed = " or ".join(sorted(_ALLOWED[target.transport]))
        super().__init__(
            f"A {target.transport} with {compression} layers would load nowhere",
            resolution=f"Its compression can be {allowed}.",
        )


class AttachError(UsageError):
    """Only a registry keeps what is attached to an image."""

    id = "attach"

    def __init__(self, target: Target) -> None:
        self.target = target
        super().__init__(
            f"Nothing can be attached to {target.shown}",
            resolution="--attach is for docker://HOST/NAME:TAG. Elsewhere the SBOM can lie beside\n"
            "it: slugc inspect SLUG --sbom",
        )


def _require_no_image_options(request: ExportRequest) -> None:
    for option, given in (("--tag", request.tag), ("--compression", request.compression)):
        if given is not None:
            raise UsageError(
                f"{option} says nothing about {request.target.shown}",
                resolution="It is for images: docker-archive:, oci:, oci-archive:, docker://, and\n"
                "for dockerfile:.",
            )


def export_slug(slug: Slug, request: ExportRequest, notify: Notify) -> Exported:
    """Verify ``slug``, and make of it what ``request`` asks for: whole, or not at all."""
    target = request.target
    if request.attach and target.transport is not Transport.REGISTRY:
        raise AttachError(target)
    if not (target.transport.is_image or target.transport is Transport.DOCKERFILE):
        _require_no_image_options(request)
    if not target.is_stdout and target.transport is not Transport.REGISTRY:
        require_free(target.path, force=request.force)
    if target.transport is Transport.REGISTRY:
        from slugc.transfer.reference import parse_reference

        parse_reference(target.place)  # a wrong name is told before anything is read
    verify_slug(slug)
    match target.transport:
        case Transport.TGZ:
            with opened_output(target.place, force=request.force) as out:
                write_heroku_tgz(slug, out)
        case Transport.TAR:
            with opened_output(target.place, force=request.force) as out:
                write_heroku_tar(slug, out)
        case Transport.DIRECTORY:
            with new_directory(target.path, force=request.force) as directory:
                write_tree(slug, directory)
        case Transport.DOCKERFILE:
            _export_dockerfile(slug, request)
        case _:
            with opened_packing(request) as packing:
                image = make_image(slug, request, packing, notify)
                beside = attachments(slug) if request.attach else ()
                name = slug.metadata.name
                write_image(image, request, name=name, notify=notify, attached=beside)
                return Exported(target=target, digest=image.digest)
    return Exported(target=target)


@contextmanager
def opened_packing(request: ExportRequest) -> Iterator[Packing]:
    """How the layers of this export are packed, with a scratch directory for it."""
    target = request.target
    compression = request.compression or DEFAULT_COMPRESSION.get(target.transport, Compression.ZSTD)
    if compression not in _ALLOWED.get(target.transport, frozenset(Compression)):
        raise CompressionError(target, compression)
    home = data_dir(request.env)
    with opened_scratch(home) as scratch:
        notes = LayerNotes(home / "images" / "notes")
        yield Packing(compression=compression, scratch=scratch, notes=notes)


def make_image(slug: Slug, request: ExportRequest, packing: Packing, notify: Notify) -> Image:
    """The image of ``slug`` on the stack image that was asked for."""
    app = facts_of_slug(slug)
    base = fitting_base(request, packing, slug, notify)
    own = (*slug_layers(slug, packing), start_layer(slug, app.facts, packing))
    return assemble(base, app, own)


def fitting_base(request: ExportRequest, packing: Packing, slug: Slug, notify: Notify) -> BaseImage:
    stack = slug.metadata.stack
    if not request.stack_image:
        raise StackImageMissingError(stack.id)
    base = open_base(request.stack_image, request, packing, arch=stack.arch)
    require_fit(base, stack)
    theirs, ours = len(base.layers), len(slug.metadata.layers) + 1
    notify(f"On {base.shown}, {counted(theirs, 'layer')}; {ours} of ours")
    return base


def attachments(slug: Slug) -> tuple[Blob, ...]:
    """What others may want to know of an image of ``slug``: what is in it, who vouches for it."""
    from slugc.supply_chain.attestations import SUFFIX
    from slugc.supply_chain.sbom import MEDIA_TYPE, slug_sbom

    found = [blob_of(slug_sbom(slug), MEDIA_TYPE)]
    signatures = slug.archive.with_name(f"{slug.archive.name}{SUFFIX}")
    if signatures.is_file():
        found.append(blob_of(signatures.read_bytes(), SIGNATURES_TYPE))
    return tuple(found)


def write_image(
    image: Image,
    request: ExportRequest,
    *,
    name: str,
    notify: Notify,
    attached: tuple[Blob, ...] = (),
) -> None:
    """Write ``image`` where ``request`` says, and what is ``attached`` to it."""
    target = request.target
    repository, tag = image_name(name, request.tag)
    shown = "the image"
    match target.transport:
        case Transport.OCI:
            with new_directory(target.path, force=request.force) as directory:
                write_layout(image, directory, tag=tag, shown=shown)
        case Transport.OCI_ARCHIVE:
            with opened_output(target.place, force=request.force) as out:
                write_layout_archive(image, out, tag=tag, shown=shown)
        case Transport.DOCKER_ARCHIVE:
            with opened_output(target.place, force=request.force) as out:
                write_docker_archive(image, out, name=f"{repository}:{tag}", shown=shown)
        case Transport.REGISTRY:
            from slugc.transfer.registry import push

            push(
                image,
                target.place,
                env=request.env,
                plain_http=request.plain_http,
                notify=notify,
                attached=attached,
            )
        case (
            Transport.TGZ
            | Transport.TAR
            | Transport.DIRECTORY
            | Transport.DOCKERFILE
            | Transport.ROOTFS
        ):
            raise AssertionError(target.transport)
        case _:
            assert_never(target.transport)


def image_name(app: str, given: str | None) -> tuple[str, str]:
    """Repository and tag: what was given, or the app's name and ``latest``."""
    # Names of images: lower-case letters and digits, parted by single signs.
    repository = re.sub(r"[^a-z0-9]+", "-", app.lower()).strip("-") or "app"
    if not given:
        return repository, DEFAULT_TAG
    if ":" in given.rpartition("/")[2]:
        before, _, tag = given.rpartition(":")
        return before or repository, tag
    return given, DEFAULT_TAG


def _export_dockerfile(slug: Slug, request: ExportRequest) -> None:
    """No stack image is read: the Dockerfile names one, and whoever builds has it."""
    app = facts_of_slug(slug)
    base = request.stack_image or f"slugkit-stack:{slug.metadata.stack.id}"
    base = base.removeprefix("docker://").removeprefix("registry:")
    with (
        opened_packing(request) as packing,
        new_directory(request.target.path, force=request.force) as directory,
    ):
        own = (*slug_layers(slug, packing), start_layer(slug, app.facts, packing))
        write_dockerfile(app, own, directory, base=base, shown="the slug")
