"""local_projects: which changes in a directory mean that its editable installation is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.locks.local_projects import editable_inputs, is_link

FLIT = '[build-system]\nbuild-backend = "flit_core.buildapi"\n[project]\nname = "a"\n'


def write(root: Path, text: str, *names: str) -> App:
    (root / "lib").mkdir()
    (root / "lib/pyproject.toml").write_text(text)
    for name in names:
        (root / "lib" / name).parent.mkdir(exist_ok=True)
        (root / "lib" / name).write_text(name)
    return App(root=root)


def test_metadata_and_names_decide_about_a_link(tmp_path: Path) -> None:
    text = FLIT + 'readme = "R.md"\n'
    app = write(tmp_path, text, "R.md", "LICENSE", "a.py", "src/b.py", ".hidden")
    found = editable_inputs(app, ["lib", "lib"])
    assert found.directories == ()
    assert found.files == {
        "lib/pyproject.toml": text.encode(),
        "lib/R.md": b"R.md",
        "lib/LICENSE": b"LICENSE",
        "names in lib": b"a.py\nsrc\nsrc/b.py",
    }


@pytest.mark.parametrize(
    "text",
    [
        '[build-system]\nbuild-backend = "setuptools.build_meta"\n',
        "[project]\nname = 'a'\n",
        FLIT + 'dynamic = ["version"]\n',
        '[build-system]\nbuild-backend = "flit_core.buildapi"\n',
        '[build-system]\nbuild-backend = "hatchling.build"\n[tool.hatch.build.hooks.custom]\n',
        '[build-system]\nbuild-backend = "poetry.core.masonry.api"\n[tool.poetry.build]\nx = 1\n',
        FLIT.replace("[project]", 'backend-path = ["."]\n[project]'),
    ],
)
def test_a_backend_that_may_do_more_than_link_is_keyed_by_content(
    text: str, tmp_path: Path
) -> None:
    app = write(tmp_path, text)
    assert not is_link(app, "lib")
    assert editable_inputs(app, ["lib"]).directories == ("lib",)


def test_setup_py_may_do_anything(tmp_path: Path) -> None:
    assert not is_link(write(tmp_path, FLIT, "setup.py"), "lib")
