"""The slug that Docker tests run, and the proof that nothing of theirs stays on the engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.engines.docker import DockerEngine
from slugc.stacks.image import (
    DEFAULT_TAG,
    StackMethod,
    build_stack_image,
    connect,
    find_stack_image,
    make_image,
)
from slugc.stacks.recipes import stack_recipe
from tests.integration import docker_support as support
from tests.integration.conftest import Built


@pytest.fixture(scope="session")
def stack_image() -> str:
    """The id of the stack image; built when this machine has none."""
    return find_stack_image(DEFAULT_TAG, os.environ) or build_stack_image(env=os.environ)


@pytest.fixture(scope="session")
def slug(built: Callable[[str], Built], stack_image: str) -> Path:
    """A real slug, with a Python of its own."""
    return built("flask_hello").slug


@pytest.fixture(scope="module")
def engine(slug: Path) -> Iterator[DockerEngine]:
    with support.make_engine(slug) as engine:
        yield engine


@pytest.fixture(scope="module", autouse=True)
def leaves_nothing() -> Iterator[None]:
    """Whatever a module of tests does to containers, none and no network is left of them."""
    before = support.leftovers()
    yield
    assert support.leftovers() == before


@pytest.fixture(scope="session")
def build_image() -> str:
    """The id of the build image that belongs to the stack image."""
    tag = f"{DEFAULT_TAG}-build"
    return find_stack_image(tag, os.environ) or build_stack_image(tag, env=os.environ)


@pytest.fixture(scope="session")
def postgres_image() -> str:
    """The stack's packages and Debian's PostgreSQL; built when this machine has none."""
    stack = stack_recipe(DEFAULT_TAG)
    recipe = replace(stack, name="test-postgres", packages=(*stack.packages, "postgresql"))
    if found := find_stack_image(recipe.tag, os.environ):
        return found
    with connect(os.environ) as client:
        return make_image(client, recipe, StackMethod.AUTO, print, os.environ)


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """Debian's package is a program of its own; elsewhere it is part of `docker`."""
    return "docker-compose" if shutil.which("docker-compose") else "docker compose"


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(Path(__file__).with_name("docker-compose.yml"))


@pytest.fixture(scope="session")
def docker_setup(stack_image: str, postgres_image: str) -> list[str]:
    """For pytest-docker: both images are here by now, so nothing is pulled or built."""
    return ["up --detach"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """For pytest-docker: these keep nothing, so there is nothing to shut down gently."""
    return ["down --volumes --timeout 0"]
