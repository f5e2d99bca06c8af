"""A slug as an image: layer upon layer, each sent once."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count

import pytest

from buildpack.support.errors import ExitCode
from runner.engines.docker.daemon import Daemon, Image
from runner.engines.docker.images import ensure_image, image_name, layer_keys, split_layers
from runner.errors import EngineUnavailableError
from slugc.slug import Layer, Slug
from slugc.stack import StackMismatchError
from tests.unit.runner.samples import STACK, a_slug

LABELS = {"io.slugkit.owner": "this run"}
STACK_TAG = "slugkit-stack:debian-12"


class FakeDaemon(Daemon):
    """An engine that keeps images by name and notes what was sent to it."""

    def __init__(self, images: Mapping[str, Image]) -> None:
        super().__init__(None)
        self.images = dict(images)
        self.uploads: list[tuple[str, ...]] = []
        self.containers: list[str] = []
        self._ids = count(1)

    def find_image(self, name: str) -> Image | None:
        return self.images.get(name)

    def tag_image(self, image: str, repository: str, tag: str) -> None:
        self.images[f"{repository}:{tag}"] = an_image(image)

    def create(self, config: Mapping[str, object], name: str | None = None) -> str:
        assert config["Labels"] == LABELS
        self.containers.append(f"c{next(self._ids)}")
        return self.containers[-1]

    def upload(self, container: str, tar: Iterable[bytes]) -> None:
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as archive:
            self.uploads.append(tuple(archive.getnames()))

    def commit(self, container: str, *, repository: str, tag: str, config: object) -> str:
        self.images[f"{repository}:{tag}"] = an_image(f"image of {container}")
        return f"image of {container}"

    def remove(self, container: str) -> None:
        self.containers.remove(container)


def an_image(image_id: str, *, stack: str = "debian-12", architecture: str = "amd64") -> Image:
    return Image(id=image_id, architecture=architecture, labels={"io.slugkit.stack": stack})


def tar_of(name: str) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name))
        return raw.getvalue()[: archive.offset]


def layered(*names: str) -> tuple[Slug, bytes]:
    """A slug with one layer for each name, and its tar stream."""
    slug = a_slug()
    layers = tuple(
        Layer(name=n, diff_id=f"sha256:{n}", digest="", size=0, uncompressed_size=512, offset=0)
        for n in names
    )
    stream = b"".join(tar_of(name) for name in names) + bytes(1024)
    return replace(slug, metadata=replace(slug.metadata, layers=layers)), stream


def ensure(daemon: FakeDaemon, *names: str) -> tuple[str, list[str]]:
    slug, stream = layered(*names)
    notices: list[str] = []
    image = ensure_image(
        daemon, slug, labels=LABELS, notify=notices.append, read=lambda _slug: [stream]
    )
    return image, notices


def test_each_layer_becomes_an_image_layer() -> None:
    daemon = FakeDaemon({STACK_TAG: an_image("base")})
    image, notices = ensure(daemon, "runtime", "app")
    assert daemon.uploads == [("runtime",), ("app",)]
    assert notices == ["Loading 2 of 2 layers into the Docker Engine"]
    assert daemon.images["slugkit/hello:9f2c00000000"].id == image == "image of c2"
    assert daemon.containers == []


def test_the_same_slug_sends_nothing() -> None:
    daemon = FakeDaemon({STACK_TAG: an_image("base")})
    first, _ = ensure(daemon, "runtime", "app")
    daemon.uploads.clear()
    assert ensure(daemon, "runtime", "app") == (first, [])
    assert daemon.uploads == []


def test_a_changed_app_sends_the_app_alone() -> None:
    daemon = FakeDaemon({STACK_TAG: an_image("base")})
    ensure(daemon, "runtime", "app")
    daemon.uploads.clear()
    _, notices = ensure(daemon, "runtime", "app-2")
    assert daemon.uploads == [("app-2",)]
    assert notices == ["Loading 1 of 2 layers into the Docker Engine"]


def test_a_new_stack_image_begins_from_the_bottom() -> None:
    layers = layered("runtime", "app")[0].metadata.layers
    assert not set(layer_keys("base", layers)) & set(layer_keys("base-2", layers))


def test_a_missing_stack_image_is_said_with_the_command_that_makes_it() -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        ensure(FakeDaemon({}), "app")
    assert caught.value.exit_code == ExitCode.UNAVAILABLE
    assert caught.value.text() == (
        "The docker engine cannot run here\n\n"
        "- the engine has no stack image slugkit-stack:debian-12, which this slug needs\n\n"
        "Build it, once:  slugc stack build --tag slugkit-stack:debian-12"
    )


def test_a_slug_for_another_architecture_is_refused() -> None:
    daemon = FakeDaemon({STACK_TAG: an_image("base", architecture="arm64")})
    with pytest.raises(StackMismatchError) as caught:
        ensure(daemon, "app")
    assert (caught.value.wanted.arch, caught.value.host.arch) == (STACK.arch, "aarch64")


def test_an_image_that_only_has_the_name_is_refused() -> None:
    daemon = FakeDaemon({STACK_TAG: an_image("base", stack="ubuntu-24.04")})
    with pytest.raises(StackMismatchError):
        ensure(daemon, "app")


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_stream_is_split_where_the_layers_meet(size: int) -> None:
    data = b"aaaabbbbbbbc"
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    layers = [b"".join(layer) for layer in split_layers(chunks, (4, 7))]
    assert layers == [b"aaaa", b"bbbbbbb"]


@pytest.mark.parametrize(
    ("app", "repository"),
    [("Polls", "polls"), ("my_app.v2", "my-app-v2"), ("--", "app"), ("été", "t")],
)
def test_an_image_is_named_after_its_app(app: str, repository: str) -> None:
    assert image_name(app, "sha256:" + "ab" * 32) == (f"slugkit/{repository}", "abababababab")
