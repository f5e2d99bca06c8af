"""Makes the stack images the Docker engine starts slugs on.

Two ways from one package list: a base image from a registry where one answers, and Debian
packages put together by mmdebstrap where none does. The second gives the same layer, bit for bit,
as long as the packages stay the same.
"""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from buildpack.support import command
from buildpack.support.command import Command
from buildpack.support.errors import ExitCode, SlugkitError
from slugc.stacks.bootstrap import BUILD_TIMEOUT, Notify, bootstrapped
from slugc.stacks.recipes import (
    LABEL,
    StackImageError,
    StackRecipe,
    dockerfile,
    image_settings,
    stack_recipe,
)

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_TAG = "slugkit-stack:debian-12"
DEFAULT_HOST = "unix:///var/run/docker.sock"
KNOCK_TIMEOUT = 10


class StackMethod(StrEnum):
    """How a stack image is made."""

    AUTO = "auto"
    DEBIAN = "debian"
    """From the base image of a registry."""
    MMDEBSTRAP = "mmdebstrap"


class DockerUnavailableError(SlugkitError):
    """No Docker Engine answers."""

    exit_code = ExitCode.UNAVAILABLE
    id = "docker-unavailable"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            "No Docker Engine answers here",
            details=reason,
            resolution="Install one (apt-get install docker.io), start it, and let this user\n"
            "use it (usermod -aG docker USER), or point DOCKER_HOST at one.",
        )


def build_stack_image(
    tag: str = DEFAULT_TAG,
    method: str = StackMethod.AUTO,
    notify: Notify = lambda _line: None,
    *,
    extra: Iterable[str] = (),
    env: Mapping[str, str] | None = None,
    stream: Callable[[Command, Callable[[str], None]], None] = command.stream,
) -> str:
    """Make the stack image ``tag``, with ``extra`` packages, and return its id. ``env`` says where
    Docker and a proxy are."""
    environment = env or {}
    recipe = stack_recipe(tag, extra=extra)
    with connect(environment) as client:
        return make_image(client, recipe, StackMethod(method), notify, environment, stream=stream)


def write_stack_archive(
    tag: str,
    output: Path,
    notify: Notify = lambda _line: None,
    *,
    extra: Iterable[str] = (),
    env: Mapping[str, str] | None = None,
    stream: Callable[[Command, Callable[[str], None]], None] = command.stream,
) -> None:
    """Write the root file system of the stack image ``tag`` to the tar ``output``: what
    ``slugc export`` takes for a stack image. No engine is needed, and an old file is replaced."""
    import shutil

    from slugc.transfer.outputs import opened_output

    recipe = stack_recipe(tag, extra=extra)
    with (
        opened_output(str(output.absolute()), force=True) as out,  # told now, not in a minute
        bootstrapped(recipe, notify, env or {}, stream) as archive,
        archive.open("rb") as made,
    ):
        shutil.copyfileobj(made, out, 1024 * 1024)


def make_image(
    client: DockerClient,
    recipe: StackRecipe,
    method: StackMethod,
    notify: Notify,
    env: Mapping[str, str],
    *,
    stream: Callable[[Command, Callable[[str], None]], None] = command.stream,
) -> str:
    """Make ``recipe``'s image by ``method`` on the engine of ``client``."""
    match method:
        case StackMethod.DEBIAN:
            return _build_on_base(client, recipe, notify)
        case StackMethod.MMDEBSTRAP:
            return _bootstrap(client, recipe, notify, env, stream)
        case StackMethod.AUTO:
            reason = _pull(client, recipe)
            if reason is None:
                return _build_on_base(client, recipe, notify)
            notify(f"{recipe.base_image} cannot be pulled: {reason}")
            return _bootstrap(client, recipe, notify, env, stream)
        case _:
            assert_never(method)


def find_stack_image(tag: str, env: Mapping[str, str]) -> str | None:
    """The id of the stack image ``tag``, or None when the engine has none."""
    from docker.errors import ImageNotFound

    with connect(env) as client:
        try:
            return str(client.images.get(tag).id)
        except ImageNotFound:
            return None


def list_stack_images(env: Mapping[str, str]) -> tuple[str, ...]:
    """The tags of every stack image the engine has, sorted."""
    with connect(env) as client:
        images = client.api.images(filters={"label": LABEL})
        tags = {tag for image in images for tag in image.get("RepoTags") or ()}
        return tuple(sorted(tag for tag in tags if tag.startswith("slugkit-stack:")))


@contextmanager
def connect(env: Mapping[str, str]) -> Iterator[DockerClient]:
    """A client of the engine that ``env`` names (DOCKER_HOST and friends), closed at the end."""
    from docker import from_env
    from docker.errors import DockerException

    host = env.get("DOCKER_HOST") or DEFAULT_HOST
    if host.startswith("unix://"):
        _knock(host)
    try:
        client = from_env(environment=dict(env), timeout=BUILD_TIMEOUT)
        client.ping()
    except DockerException as err:
        raise DockerUnavailableError(str(err)) from err
    try:
        yield client
    finally:
        client.close()


def _knock(host: str) -> None:
    """See whether anybody listens. The SDK would not say why not, and leave its socket open."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(KNOCK_TIMEOUT)
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError as err:
            raise DockerUnavailableError(f"{host}: {err.strerror or err}") from err


def _pull(client: DockerClient, recipe: StackRecipe) -> str | None:
    """Fetch the base image; None when it is here, else why it is not."""
    from docker.errors import APIError

    try:
        # The engine answers at once with an error where there is no registry.
        for line in client.api.pull(recipe.base_image, stream=True, decode=True):
            if "error" in line:
                return str(line["error"])
    except APIError as err:
        return str(err.explanation or err)
    return None


def _build_on_base(client: DockerClient, recipe: StackRecipe, notify: Notify) -> str:
    notify(f"Building {recipe.tag} on {recipe.base_image}")
    content = io.BytesIO(dockerfile(recipe).encode())
    output = client.api.build(fileobj=content, tag=recipe.tag, rm=True, forcerm=True, decode=True)
    for message in output:
        if "error" in message:
            raise StackImageError(
                recipe,
                str(message["error"]).strip(),
                resolution="Where no registry can be reached: --method mmdebstrap",
            )
        for line in str(message.get("stream", "")).splitlines():
            notify(line)
    return str(client.images.get(recipe.tag).id)


def _bootstrap(
    client: DockerClient,
    recipe: StackRecipe,
    notify: Notify,
    env: Mapping[str, str],
    stream: Callable[[Command, Callable[[str], None]], None],
) -> str:
    with bootstrapped(recipe, notify, env, stream) as archive:
        return _import(client, recipe, archive)


def _import(client: DockerClient, recipe: StackRecipe, archive: Path) -> str:
    answer = client.api.import_image(
        src=str(archive),
        repository=recipe.tag.partition(":")[0],
        tag=recipe.name,
        changes=list(image_settings(recipe)),
    )
    last = json.loads(answer.splitlines()[-1])
    if "error" in last:
        raise StackImageError(recipe, str(last["error"]))
    return str(last["status"])
