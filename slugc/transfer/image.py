"""What an image of a slug is: layers, a configuration, a manifest. Pure: values in, values out.

Nothing in it says when, where or by whom it was made, so the same slug on the same base gives the
same digests: https://github.com/opencontainers/image-spec
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from buildpack.support.values import value
from slugc.slug import SlugFacts
from slugc.transfer.streams import Chunks, Compression

if TYPE_CHECKING:
    from slugc.transfer.base_image import BaseImage

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPES: Mapping[Compression, str] = {
    Compression.NONE: "application/vnd.oci.image.layer.v1.tar",
    Compression.GZIP: "application/vnd.oci.image.layer.v1.tar+gzip",
    Compression.ZSTD: "application/vnd.oci.image.layer.v1.tar+zstd",
}

SLUG_LABEL = "io.slugkit.slug"
"""The slug's index without its layers: with the layers all it takes to make the slug again."""
BASE_LAYERS_LABEL = "io.slugkit.base-layers"
STACK_LABEL = "io.slugkit.stack"
PROCESS_LABEL = "io.slugkit.process-type."
NAME = "org.opencontainers.image."

STARTER = "/usr/local/bin/slug-start"
APP_UID = 1000
APP_USER = f"{APP_UID}:{APP_UID}"
APP_HOME = "/app"
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
DEFAULT_PORT = 5000  # as in slug-run
CREATED = "1980-01-01T00:00:00Z"  # the time every file of a slug carries

# How uname(2) and images call a processor.
ARCHITECTURES: Mapping[str, str] = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


@value
class Blob:
    """Bytes with a digest, wherever they are."""

    digest: str
    size: int
    media_type: str
    read: Chunks
    origin: str = ""
    """the repository of a registry it is in, as HOST/NAME"""

    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@value
class ImageLayer:
    """One layer. ``diff_id`` is the digest of its tar bytes, which ``tar`` reads; ``history`` is
    what an image's configuration says of it."""

    diff_id: str
    blob: Blob
    tar: Chunks
    history: Mapping[str, object]


@value
class AppFacts:
    """What an image says of the slug in it: ``document`` is the slug's index less its layers."""

    document: Mapping[str, object]
    facts: SlugFacts

    @property
    def checksum(self) -> str:
        return str(self.document["checksum"])

    @property
    def name(self) -> str:
        return self.facts.name


@value
class Image:
    """A whole image, ready to be written anywhere."""

    config: Blob
    layers: tuple[ImageLayer, ...]
    annotations: Mapping[str, str]

    def manifest(self) -> bytes:
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": self.config.descriptor(),
                "layers": [layer.blob.descriptor() for layer in self.layers],
                "annotations": dict(self.annotations),
            }
        )

    @property
    def digest(self) -> str:
        return digest_of(self.manifest())

    def blobs(self) -> tuple[Blob, ...]:
        """Every blob once, layers first: what names others comes after what it names."""
        found = {layer.blob.digest: layer.blob for layer in self.layers}
        return (*found.values(), self.config)


def assemble(base: BaseImage, app: AppFacts, own: Sequence[ImageLayer]) -> Image:
    """The image of ``app`` on ``base``; ``own`` are its layers, lowest first."""
    layers = (*base.layers, *own)
    content = canonical_json(image_config(base, app, layers))
    return Image(
        config=blob_of(content, CONFIG_TYPE), layers=layers, annotations=describe(base, app)
    )


def image_config(base: BaseImage, app: AppFacts, layers: Sequence[ImageLayer]) -> dict[str, object]:
    """The configuration: how a container of the image starts, and what its layers are."""
    platform = {
        key: base.config[key] for key in ("architecture", "os", "variant") if key in base.config
    }
    return {
        **platform,
        "created": CREATED,
        "config": _container_config(base, app),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [dict(layer.history) for layer in layers],
    }


def _container_config(base: BaseImage, app: AppFacts) -> dict[str, object]:
    types = app.facts.process_types
    config: dict[str, object] = {
        "User": APP_USER,
        "WorkingDir": APP_HOME,
        "Entrypoint": [STARTER],
        "Env": [f"{name}={text}" for name, text in image_env(base.env, app.facts).items()],
        "Labels": {**base.labels, **labels(base, app)},
        "StopSignal": "SIGTERM",
    }
    if default := default_type(app.facts):
        config["Cmd"] = [default]
    if "web" in types:
        config["ExposedPorts"] = {f"{DEFAULT_PORT}/tcp": {}}
    return config


def default_type(facts: SlugFacts) -> str | None:
    """What a container runs that is told nothing: web, or the only process type there is."""
    types = sorted(facts.process_types)
    return "web" if "web" in types else types[0] if len(types) == 1 else None


def image_env(base: Mapping[str, str], facts: SlugFacts) -> dict[str, str]:
    """The environment of a container that is given none: the base's, ours, the slug's defaults."""
    ours = {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8"}
    fixed = {"HOME": APP_HOME, "STACK": facts.stack.id}
    return {**ours, **base, **facts.config_vars, **fixed}


def labels(base: BaseImage, app: AppFacts) -> dict[str, str]:
    """What ``docker inspect`` shows, and what rebase and import read."""
    return {
        **describe(base, app),
        SLUG_LABEL: canonical_json(app.document).decode("ascii"),
        STACK_LABEL: app.facts.stack.id,
        BASE_LAYERS_LABEL: str(len(base.layers)),
        **{f"{PROCESS_LABEL}{kind}": line for kind, line in app.facts.process_types.items()},
    }


def describe(base: BaseImage, app: AppFacts) -> dict[str, str]:
    """The keys that image-spec's annotations.md gives a meaning, as far as we know it."""
    found = {
        f"{NAME}title": app.name,
        f"{NAME}created": CREATED,
        f"{NAME}revision": app.facts.commit,
        f"{NAME}base.digest": base.digest,
        f"{NAME}base.name": base.reference,
        "io.slugkit.checksum": app.checksum,
    }
    return {key: text for key, text in found.items() if text}


def history_of(what: str) -> dict[str, object]:
    """What the history says of one layer of ours."""
    return {"created": CREATED, "created_by": what}


def blob_of(content: bytes, media_type: str) -> Blob:
    """Bytes in memory as a blob."""
    return Blob(
        digest=digest_of(content),
        size=len(content),
        media_type=media_type,
        read=lambda: iter((content,)),
    )


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical_json(document: object) -> bytes:
    """One spelling for each document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")
