"""A slug as a Docker image: the stack image and one image layer for each layer of the slug.

The layers go through the API (create, upload, commit), so a remote engine does as well as a local
one. Each step is named after everything beneath it: an unchanged layer is never sent twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from runner.engines.docker.daemon import Daemon, Image
from runner.engines.docker.reown import reown
from runner.errors import EngineUnavailableError
from runner.walls import CONTAINER_GID, CONTAINER_UID
from slugc.slug import Layer, Slug
from slugc.stack import Stack, require_stack

STACK_REPOSITORY = "slugkit-stack"
LAYER_REPOSITORY = "slugkit-layer"
STACK_LABEL = "io.slugkit.stack"
LAYER_LABEL = "io.slugkit.layer"

# How the Engine API names what uname(2) calls otherwise.
ARCHITECTURES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}

TarReader = Callable[[Slug], Iterable[bytes]]


def find_stack_image(daemon: Daemon, stack: Stack, *, slug: str) -> Image:
    """The stack image a slug made for ``stack`` runs on."""
    tag = f"{STACK_REPOSITORY}:{stack.id}"
    image = daemon.find_image(tag)
    if image is None:
        raise EngineUnavailableError(
            "docker",
            problems=(f"the engine has no stack image {tag}, which this slug needs",),
            remedies=(f"Build it, once:  slugc stack build --tag {tag}",),
        )
    host = Stack(
        id=image.labels.get(STACK_LABEL, "unknown"),
        distribution=stack.distribution,
        glibc=stack.glibc,  # the same release of a distribution has the same glibc
        arch=ARCHITECTURES.get(image.architecture, image.architecture),
    )
    require_stack(stack, host=host, slug=slug)
    return image


def ensure_image(
    daemon: Daemon,
    slug: Slug,
    *,
    labels: Mapping[str, str],
    notify: Callable[[str], None],
    read: TarReader,
) -> str:
    """The id of the image that holds ``slug``; made from its lowest layer the engine lacks.

    ``labels`` are for the containers it takes, so that those of a killed run are found again.
    """
    metadata = slug.metadata
    base = find_stack_image(daemon, metadata.stack, slug=slug.archive.name)
    keys = layer_keys(base.id, metadata.layers)
    known = [daemon.find_image(f"{LAYER_REPOSITORY}:{key}") for key in keys]
    present = max((at + 1 for at, image in enumerate(known) if image is not None), default=0)
    beneath = known[present - 1] if present else base
    assert beneath is not None
    image = beneath.id
    if present < len(keys):
        notify(f"Loading {len(keys) - present} of {len(keys)} layers into the Docker Engine")
        push = _Push(daemon=daemon, labels=labels, keys=keys)
        image = push.layers(slug, read(slug), first=present, image=image)
    daemon.tag_image(image, *image_name(metadata.name, metadata.checksum))
    return image


def layer_keys(base: str, layers: Iterable[Layer]) -> tuple[str, ...]:
    """A name for each layer that changes with everything beneath it."""
    keys = []
    so_far = hashlib.sha256(base.encode())
    for layer in layers:
        so_far.update(layer.diff_id.encode())
        keys.append(so_far.hexdigest()[:24])
    return tuple(keys)


def image_name(app: str, checksum: str) -> tuple[str, str]:
    """Repository and tag: ``slugkit/polls`` and the first twelve digits of the slug's checksum."""
    # Names of images: lower-case letters and digits, parted by single signs.
    plain = re.sub(r"[^a-z0-9]+", "-", app.lower()).strip("-") or "app"
    return f"slugkit/{plain}", checksum.removeprefix("sha256:")[:12]


def split_layers(chunks: Iterable[bytes], sizes: Iterable[int]) -> Iterator[Iterator[bytes]]:
    """Cut one stream into its layers; each must be read to its end before the next is taken."""
    source = iter(chunks)
    rest = b""

    def take(size: int) -> Iterator[bytes]:
        nonlocal rest
        while size:
            chunk = rest or next(source)
            rest = chunk[size:]
            size -= min(size, len(chunk))
            yield chunk[: len(chunk) - len(rest)]

    for size in sizes:
        yield take(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Push:
    """Layers on their way to the engine, each on top of the one before."""

    daemon: Daemon
    labels: Mapping[str, str]
    keys: tuple[str, ...]

    def layers(self, slug: Slug, chunks: Iterable[bytes], *, first: int, image: str) -> str:
        sizes = (layer.uncompressed_size for layer in slug.metadata.layers)
        for at, stream in enumerate(split_layers(chunks, sizes)):
            if at < first:
                for _ in stream:  # the engine has it; what comes after it is wanted
                    pass
                continue
            image = self._layer(image, self.keys[at], stream)
        return image

    def _layer(self, image: str, key: str, stream: Iterator[bytes]) -> str:
        container = self.daemon.create(
            {"Image": image, "Cmd": ["/bin/true"], "NetworkDisabled": True, "Labels": self.labels}
        )
        try:
            owned = reown(stream, uid=CONTAINER_UID, gid=CONTAINER_GID)
            self.daemon.upload(container, owned)
            # The run's labels are the container's own, and none of the image's business.
            labels = {**dict.fromkeys(self.labels, ""), LAYER_LABEL: key}
            config = {"Labels": labels}
            return self.daemon.commit(
                container, repository=LAYER_REPOSITORY, tag=key, config=config
            )
        finally:
            self.daemon.remove(container)
