"""The slug that Docker tests run, and the proof that nothing of theirs stays on the engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.engines.docker import DockerEngine
from slugc.stack_image import DEFAULT_TAG, build_stack_image, find_stack_image
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
