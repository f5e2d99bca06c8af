"""A data directory with a bit of everything, of known age."""

from __future__ import annotations

import os
import time
from pathlib import Path

from slugc.history import BuildRecord, note_build
from slugc.packing.slug_writer import write_slug
from slugc.slug import Slug
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, make_tree

DAY = 86_400.0
BUILDPACK = "b" * 64


def make_data_dir(root: Path) -> Slug:
    """A slug whose layers are unpacked, a buildpack, a cache and a record; all just used."""
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    store = Store(root / "store")
    slug = write_slug(
        make_tree(root.parent / "tree"), root.parent / "x.slug", facts=FACTS, store=store
    ).slug
    store.ensure_layers(slug)
    (root / "buildpacks" / BUILDPACK / "bin").mkdir(parents=True)
    (root / "buildpacks" / BUILDPACK / "bin" / "detect").write_text("#!/bin/sh\n")
    make_cache(root, "polls-1a2b3c4d")
    note_build(root, record_of(slug))
    return slug


def make_cache(root: Path, name: str, *, size: int = 10_000) -> Path:
    cache = root / "cache" / name
    (cache / "work" / "cache").mkdir(parents=True)
    (cache / "work" / "cache" / "wheel").write_bytes(b"x" * size)
    (cache / "lock").write_text("1\n")
    return cache


def record_of(slug: Slug, *, app: str = "hello") -> BuildRecord:
    return BuildRecord(
        checksum=slug.metadata.checksum,
        name=app,
        app=app,
        archive=str(slug.archive),
        built_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        duration=1.0,
        size=slug.archive.stat().st_size,
        sandbox="none",
        stack="debian-12",
        commit=None,
        buildpacks=("Python",),
        python_version="3.13.0",
        process_types=("web",),
        steps=(),
        reused=(),
    )


def used_ago(path: Path, seconds: float) -> None:
    """Set the time by which prune knows when something was last used."""
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != ".lock")
