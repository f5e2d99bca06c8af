"""Every attack of the corpus at every entrance: source, standard input, buildpack, slug.

Nothing may come in, nothing outside may change, and the error is one of ours.
"""

from __future__ import annotations

import ast
import hashlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import pytest

from buildpack.support.errors import ExitCode
from slugc.archive.errors import ArchiveError
from slugc.buildpacks.fetch import fetch_buildpack
from slugc.buildpacks.spec import BuildpackKind, BuildpackSpec
from slugc.slug import Layer, Slug, SlugFormat, read_slug
from slugc.slug_format import encode_trailer, end_of
from slugc.slug_index import encode_index
from slugc.sources.source import Source, SourceKind, stage_source
from slugc.store import Store
from tests.faults.hostile_archives import (
    CONTAINED,
    DAMAGE,
    HONEST,
    HOSTILE,
    contained_members,
    hostile_members,
)
from tests.faults.tar_blocks import END, directory, file, zst
from tests.unit.slugc.trees import FACTS

ROOT = Path(__file__).parents[2]
ROOMS = ("buildpack", "slugc", "runner")
BOMBS = {name for name in HOSTILE if name.startswith("bomb-")}
# Needs a limit below the default: 3,000 members and 64 MiB are no bomb to a real build.
SMALL_BOMBS = {
    "bomb-many-members",
    "bomb-implied-directories",
    "bomb-gzip-file",
    "bomb-zstd-file",
    "bomb-size-claimed",
}
ARCHIVES = [name for name in HOSTILE if name not in SMALL_BOMBS]


class Place:
    """A directory beside a secret, and what must still be so afterwards."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "secret").write_bytes(b"not yours")

    def assert_untouched(self) -> None:
        assert (self.root / "secret").read_bytes() == b"not yours"
        assert not Path("/tmp/slugkit-escape").exists()
        for path in self.root.rglob("*"):
            assert path.is_symlink() or path.is_file() or path.is_dir()
            assert not path.lstat().st_mode & 0o6002 or path.is_symlink()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def stage(archive: bytes, place: Place) -> Path:
    (place.root / "app.tar").write_bytes(archive)
    source = Source(kind=SourceKind.TARBALL, location=str(place.root / "app.tar"))
    return _stage(source, place)


def stage_stdin(archive: bytes, place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(archive)))
    return _stage(Source(kind=SourceKind.STDIN, location="-"), place)


def _stage(source: Source, place: Place) -> Path:
    build = place.root / "build"
    build.mkdir()
    stage_source(source, build, scratch=place.root / "scratch", env={}, ours=frozenset())
    return build


def fetch(archive: bytes, place: Place) -> Path:
    (place.root / "pack.tar").write_bytes(archive)
    spec = BuildpackSpec(kind=BuildpackKind.TARBALL, location=str(place.root / "pack.tar"))
    return fetch_buildpack(
        spec,
        store=place.root / "packs",
        scratch=place.root / "scratch",
        env={},
        path=os.environ["PATH"],
    ).root


@pytest.mark.parametrize("enter", [stage, fetch])
@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_tarball_is_refused(
    name: str, enter: Callable[[bytes, Place], Path], place: Place
) -> None:
    with pytest.raises(ArchiveError) as caught:
        enter(HOSTILE[name], place)
    assert caught.value.exit_code is ExitCode.DATA
    assert str(place.root) in caught.value.details
    assert not (place.root / "build").exists() or not any((place.root / "build").iterdir())
    assert not (place.root / "packs").exists()
    place.assert_untouched()


@pytest.mark.parametrize("name", [*list(hostile_members())[::7], *DAMAGE])
def test_a_hostile_stream_is_refused(
    name: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArchiveError) as caught:
        stage_stdin(HOSTILE[name], place, monkeypatch)
    assert caught.value.details.startswith("standard input\n\n")
    place.assert_untouched()


@pytest.mark.parametrize("name", CONTAINED)
def test_modes_and_owners_stay_outside(name: str, place: Place) -> None:
    stage(CONTAINED[name] + END, place)
    place.assert_untouched()


# Its only directory is taken for the app, and a link in that to what was around it leads out.
@pytest.mark.parametrize("name", sorted(HONEST.keys() - {"ok-link-to-root"}))
def test_an_honest_tarball_is_taken(name: str, place: Place) -> None:
    build = stage(HONEST[name][0], place)
    assert any(build.iterdir())


def forged(path: Path, tar: bytes) -> Slug:
    """A slug whose digests are all right and whose one layer holds ``tar``."""
    frame, digest = zst(tar), hashlib.sha256
    layer = Layer(
        name="app",
        diff_id=f"sha256:{digest(tar).hexdigest()}",
        digest=f"sha256:{digest(frame).hexdigest()}",
        size=len(frame),
        uncompressed_size=len(tar),
        offset=0,
    )
    trailer = encode_trailer(SlugFormat.ZSTD, encode_index(FACTS, (layer,)))
    path.write_bytes(frame + end_of(SlugFormat.ZSTD) + trailer)
    return read_slug(path)


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    return hostile_members(b"./app/")


@pytest.mark.parametrize("name", hostile_members())
def test_a_slug_whose_digests_are_right_is_not_trusted(
    name: str, members: dict[str, bytes], open_dir: Path
) -> None:
    place, store = Place(open_dir), Store(open_dir / "store")
    slug = forged(open_dir / "x.slug", directory(b"./app/") + members[name])
    with pytest.raises(ArchiveError):
        store.ensure_layers(slug)
    assert list((store.root / "layers").iterdir()) == []
    place.assert_untouched()


@pytest.mark.parametrize("name", CONTAINED)
def test_modes_and_owners_in_a_slug_stay_there(name: str, open_dir: Path) -> None:
    place, store = Place(open_dir), Store(open_dir / "store")
    slug = forged(open_dir / "x.slug", contained_members(b"./app/")[name])
    (layer,) = store.ensure_layers(slug)
    assert any(layer.iterdir())
    place.assert_untouched()


def test_an_honest_slug_of_that_kind_is_taken(open_dir: Path) -> None:
    slug = forged(open_dir / "x.slug", directory(b"./app/") + file(b"./app/a"))
    (layer,) = Store(open_dir / "store").ensure_layers(slug)
    assert (layer / "a").read_bytes() == b"x"


def test_there_is_one_door_for_archives() -> None:
    """No other file imports what reads archives; wheels alone are ZIP files, of our own making."""
    users: dict[str, set[str]] = {}
    for path in (module for room in ROOMS for module in (ROOT / room).rglob("*.py")):
        for name in _imported(path) & {"tarfile", "zipfile", "tarsafe"}:
            users.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    assert users.pop("zipfile", set()) <= {"buildpack/tools.py"}
    assert users == {
        "tarfile": {"slugc/archive/strict.py"},
        "tarsafe": {"slugc/archive/strict.py", "slugc/archive/errors.py"},
    }


def test_no_program_unpacks_in_its_place() -> None:
    """Neither a command line that begins with one, nor shutil's way around the door."""
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if _starts_unpacking(node)
    }
    assert found == set()


def _starts_unpacking(node: ast.AST) -> TypeGuard[ast.expr]:
    if isinstance(node, ast.Attribute):
        return node.attr in {"unpack_archive", "make_archive"}
    if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
        return False
    first = node.elts[0]
    return isinstance(first, ast.Constant) and first.value in {"tar", "bsdtar", "unzip", "cpio"}


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found
