"""Packing and unpacking judge links alike, and no random archive leads out of its tree."""

from __future__ import annotations

import io
import os
import random
import tempfile
from pathlib import Path

import pytest

from slugc.archive.errors import ArchiveError
from slugc.archive.extract import extract
from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.scan import UnpackableTreeError, check_links, scan_tree
from slugc.archive.writer import tar_bytes
from tests.faults.tar_blocks import END, directory, file, hard_link, symlink

NAMES = [b"a", b"b", b"c", b"a/b", b"a/b/c", b"b/a", b"c/a/b"]
WORDS = ["..", "a", "b", "x", "y", "d", "no"]
PARTS = [b"..", b"..", b".", b"a", b"b", b"c", b""]


def _random_archive(source: random.Random) -> bytes:
    members = []
    for _ in range(source.randint(1, 5)):
        name = source.choice(NAMES)
        target = b"/".join(source.choices(PARTS, k=source.randint(1, 5)))
        kind = source.randrange(5)
        if kind == 0:
            members.append(directory(name))
        elif kind == 1:
            members.append(file(name))
        elif kind == 2:
            members.append(hard_link(name, source.choice(NAMES)))
        else:
            members.append(symlink(name, target))
    return b"".join(members) + END


def _stays(root: Path) -> bool:
    """Whether the kernel, following every link below ``root``, ends inside it or nowhere."""
    inside = os.path.realpath(root)
    for path in root.rglob("*"):
        if path.is_symlink():
            try:
                found = os.path.realpath(path, strict=True)
            except OSError:  # it dangles or loops: it leads nowhere
                continue
            if os.path.commonpath([inside, found]) != inside:
                return False
    return True


def test_no_random_archive_leads_out() -> None:
    source = random.Random(20261122)
    accepted = 0
    with tempfile.TemporaryDirectory() as name:
        for number in range(1500):
            target = Path(name) / str(number)
            target.mkdir()
            data = _random_archive(source)
            try:
                extract(io.BytesIO(data), target)
            except ArchiveError:
                continue
            accepted += 1
            assert _stays(target), data
    assert accepted > 200


def test_what_packing_accepts_unpacking_accepts() -> None:
    """And what unpacking would refuse, packing refuses: over random trees of links."""
    source = random.Random(7)
    outcomes = set()
    with tempfile.TemporaryDirectory() as name:
        for number in range(200):
            tree = Path(name) / f"{number}"
            for at in ("a/b/c", "b", "d"):
                (tree / at).mkdir(parents=True, exist_ok=True)
            for link in ("x", "a/y", "a/b/z", "b/w"):
                parts = source.choices(
                    ["..", "a", "b", "x", "y", "d", "no"], k=source.randint(1, 4)
                )
                (tree / link).symlink_to("/".join(parts))
            outcomes.add(_packs_and_unpacks(tree, Path(name) / f"{number}-out"))
    assert outcomes == {(True, True), (False, False)}


def _packs_and_unpacks(tree: Path, out: Path) -> tuple[bool, bool]:
    entries = scan_tree(tree, DEFAULT_LIMITS)
    out.mkdir()
    try:
        check_links(entries)
        packs = True
    except UnpackableTreeError:
        packs = False
    stream = b"".join(tar_bytes(tree, entries))
    try:
        extract(io.BytesIO(stream), out, root="app", ends=False)
    except ArchiveError:
        return packs, False
    return packs, True


@pytest.mark.parametrize("target", ["../python/bin/python3", "./x", "a/b/../b", "..", "."])
def test_ordinary_links_are_accepted(tmp_path: Path, target: str) -> None:
    (tmp_path / "d/a/b").mkdir(parents=True)
    (tmp_path / "d/link").symlink_to(target)
    check_links(scan_tree(tmp_path, DEFAULT_LIMITS))
