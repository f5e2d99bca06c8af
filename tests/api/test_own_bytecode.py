"""bin/compile keeps the bytecode of its modules in the cache, and compiles nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("bin", "buildpack"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    return copy


def modules_kept(checkout: Path, cache: Path) -> set[str]:
    """Those of a build that ends soon: there is no app."""
    (checkout.parent / "no-app").mkdir(exist_ok=True)
    argv = [checkout / "bin" / "compile", checkout.parent / "no-app", cache]
    env = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, env=env, capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
    assert not list(checkout.rglob("*.pyc"))
    kept = cache / "buildpack-bytecode"
    return {os.fspath(path.relative_to(kept)).partition(".")[0] for path in kept.rglob("*.pyc")}


def test_only_ours_is_kept(checkout: Path, tmp_path: Path) -> None:
    kept, here = modules_kept(checkout, tmp_path / "cache"), os.fspath(checkout / "buildpack")[1:]
    assert {f"{here}/main", f"{here}/compile", f"{here}/support/linking"} <= kept
    assert all(name.startswith(here) for name in kept)


def test_what_is_kept_is_used(checkout: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    modules_kept(checkout, cache)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.pyc")}
    modules_kept(checkout, cache)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.pyc")} == before


def test_what_a_power_cut_left_of_it_is_made_anew(checkout: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    modules_kept(checkout, cache)
    whole = {path: path.read_bytes() for path in cache.rglob("*.pyc")}
    for number, (path, content) in enumerate(whole.items()):
        path.write_bytes(content[: number * 50 % len(content)])
    modules_kept(checkout, cache)
    assert {path: path.read_bytes() for path in whole} == whole
