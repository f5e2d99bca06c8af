"""Packages installed while their Python is still copied: byte for byte those installed after it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.installers.locks.poetry_project import PoetryProject
from tests.api.compiling import build_env, compile_app, make_app, tree
from tests.integration.fake_index import make_wheel

pytestmark = [pytest.mark.integration, pytest.mark.network]

SCRIPTS = "[console_scripts]\nshop = shop:main\n"


@pytest.fixture
def wheels(tmp_path: Path) -> Mapping[str, str]:
    """Settings that install from our own wheels alone: a script, a .pth, data, a module in two."""
    place = tmp_path / "wheels"
    make_wheel(
        place,
        "shop",
        requires=["parts"],
        files={
            "shop.py": "def main():\n    print('hello')\n",
            "shop-1.0.dist-info/entry_points.txt": SCRIPTS,
            "shop-1.0.data/scripts/open-shop": "#!python\nimport shop\n",
            "shop-1.0.data/data/share/shop/list.txt": "bread\n",
        },
    )
    make_wheel(place, "parts", files={"parts.pth": "import parts\n", "more/parts.py": "x = {1}\n"})
    return {"UV_FIND_LINKS": str(place), "UV_NO_INDEX": "1"}


def watched(directory: Path) -> tuple[str, Path]:
    """A PATH on which every start of uv is written down, and where."""
    directory.mkdir()
    seen = directory / "starts"
    (directory / "prlimit").write_text(
        f'#!/bin/sh\necho "$@" >>{seen}\nexec /usr/bin/prlimit "$@"\n'
    )
    (directory / "prlimit").chmod(0o755)
    return f"{directory}:{build_env()['PATH']}", seen


def test_a_build_with_a_head_start_equals_one_without(
    tmp_path: Path, wheels: Mapping[str, str]
) -> None:
    path, seen = watched(tmp_path / "watch")
    answer = compile_app(make_app(tmp_path / "tools"), tmp_path / "cache")
    assert answer.returncode == 0, answer.stderr
    trees, starts = [], []
    for name in ("with", "without"):
        cache = tmp_path / f"cache-{name}"
        cache.mkdir()
        (cache / "tools").symlink_to(tmp_path / "cache" / "tools")
        if name == "without":
            (cache / "uv" / "sdists-v9" / "pypi").mkdir(parents=True)  # as if uv had built before
        app = make_app(tmp_path / name, **{"requirements.txt": "shop==1.0\n"})
        answer = compile_app(app, cache, PATH=path, **wheels)
        assert answer.returncode == 0, answer.stderr
        trees.append({part: tree(app / part) for part in (".heroku", ".profile.d")})
        starts.append(["head-start" in line for line in seen.read_text().splitlines()])
        seen.write_text("")
    assert starts == [[True], [False]]
    assert trees[0] == trees[1]


PROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.10"
dependencies = ["six==1.17.0"]
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""


def test_an_app_that_uv_does_not_install_is_installed_nevertheless(tmp_path: Path) -> None:
    digest = PoetryProject(content=tomllib.loads(PROJECT)).content_hash(with_groups=True)
    wheel = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
    lock = (
        '[[package]]\nname = "six"\nversion = "1.17.0"\ngroups = ["main"]\noptional = false\n'
        f'python-versions = "*"\nfiles = [{{file = "six.whl", hash = "sha256:{wheel}"}}]\n'
        '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.10"\n'
        f'content-hash = "{digest}"\n'
    )
    app = tmp_path / "app"
    (app / "shop").mkdir(parents=True)
    (app / "shop" / "__init__.py").touch()
    (app / "pyproject.toml").write_text(PROJECT)
    (app / "poetry.lock").write_text(lock)
    answer = compile_app(app, tmp_path / "cache")
    assert answer.returncode == 0, answer.stderr
    names = {path.name for path in (app / ".heroku" / "venv").rglob("*.dist-info")}
    assert names == {"shop-1.dist-info", "six-1.17.0.dist-info"}
