"""The stack images, made for real from Debian's packages."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from slugc.stacks.image import (
    DEFAULT_TAG,
    DockerUnavailableError,
    StackMethod,
    build_stack_image,
    connect,
    list_stack_images,
    make_image,
)
from slugc.stacks.recipes import stack_recipe
from tests.integration import docker_support as support

pytestmark = [pytest.mark.integration, pytest.mark.docker]


def inside(image: str, *argv: str) -> str:
    return support.docker("run", "--rm", "--network", "none", image, *argv)


def test_the_image_has_the_packages_of_its_list(stack_image: str) -> None:
    ask = ("dpkg-query", "--show", "--showformat", "${Package}\n")
    installed = set(inside(stack_image, *ask).split())
    assert set(stack_recipe(DEFAULT_TAG).packages) <= installed


def test_the_image_runs_as_the_apps_user_in_app(stack_image: str) -> None:
    shown = inside(stack_image, "bash", "-c", "id -u; id -g; pwd; stat -c %u:%g /app; echo $STACK")
    assert shown.split() == ["1000", "1000", "/app", "1000:1000", "debian-12"]


def test_the_image_has_no_python_of_its_own(stack_image: str) -> None:
    assert inside(stack_image, "sh", "-c", "command -v python3 || echo none") == "none\n"


def test_nothing_of_this_machine_is_in_the_image(stack_image: str) -> None:
    look = "cat /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/machine-id 2>/dev/null; true"
    assert inside(stack_image, "sh", "-c", look) == ""


def test_the_image_is_listed(stack_image: str) -> None:
    assert DEFAULT_TAG in list_stack_images(os.environ)


def test_the_same_packages_give_the_same_layer() -> None:
    # Two packages are enough for what could differ: caches, logs, times, order, identities.
    recipe = replace(stack_recipe(DEFAULT_TAG), name="test-same", packages=("netbase", "openssl"))
    layers = []
    try:
        for _ in range(2):
            with connect(os.environ) as client:
                image = make_image(client, recipe, StackMethod.MMDEBSTRAP, print, os.environ)
                layers.append(client.images.get(image).attrs["RootFS"]["Layers"])
    finally:
        subprocess.run(["docker", "image", "rm", "--force", recipe.tag], check=False, timeout=60)
    assert layers[0] == layers[1]


def test_no_engine_is_said_with_what_to_do(tmp_path: os.PathLike[str]) -> None:
    nowhere = f"unix://{tmp_path}/docker.sock"
    with pytest.raises(DockerUnavailableError) as caught:
        build_stack_image(env={"DOCKER_HOST": nowhere})
    assert caught.value.text() == (
        "No Docker Engine answers here\n\n"
        f"{nowhere}: No such file or directory\n\n"
        "Install one (apt-get install docker.io), start it, and let this user\n"
        "use it (usermod -aG docker USER), or point DOCKER_HOST at one."
    )
