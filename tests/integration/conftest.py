"""One data directory and one build of each fixture for the whole session."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.build_support import Builder, make_app
from tests.integration.support import FIXTURES, Fixture, Kit
from tests.places import remove_place


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A fixture's slug and what its first build printed."""

    fixture: Fixture
    slug: Path
    output: str


@pytest.fixture(scope="session")
def session_dir() -> Iterator[Path]:
    """Started by root, containers and builds run as a user of their own, who must get through to
    here; pytest's own temporary directories are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="slugkit-test-"))
    directory.chmod(0o755)
    yield directory
    remove_place(directory)


@pytest.fixture
def open_dir(session_dir: Path) -> Path:
    """A fresh directory that every user may enter."""
    directory = Path(tempfile.mkdtemp(dir=session_dir))
    directory.chmod(0o755)
    return directory


def make_kit(home: Path) -> Kit:
    home.mkdir()
    env = {**os.environ, "SLUGKIT_HOME": str(home / "data"), "NO_COLOR": "1"}
    env.pop("SLUG_RUN_ENGINE", None)
    root = Path(__file__).resolve().parent.parent.parent
    return Kit(home=home, env={**env, "PYTHONPATH": str(root)})


@pytest.fixture(scope="session")
def kit(session_dir: Path) -> Kit:
    return make_kit(session_dir / "kit")


@pytest.fixture
def fresh_kit(open_dir: Path) -> Kit:
    """A data directory in which nothing was built yet."""
    return make_kit(open_dir / "kit")


@pytest.fixture(scope="session")
def built(kit: Kit) -> Callable[[str], Built]:
    """Builds a fixture on its first use in this session."""
    done: dict[str, Built] = {}

    def build(name: str) -> Built:
        if name not in done:
            slug = kit.home / f"{name}.slug"
            output = kit.build(FIXTURES[name].directory, slug).stderr
            done[name] = Built(fixture=FIXTURES[name], slug=slug, output=output)
        return done[name]

    return build


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """`slugc build` with a data directory of its own."""
    return Builder(home=tmp_path / "data")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A source of one file, for buildpacks that take anything."""
    return make_app(tmp_path / "app")
