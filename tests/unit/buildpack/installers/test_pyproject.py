"""pyproject and setup_py: what is installed when nothing is locked."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers import pyproject, setup_py
from buildpack.installers.base import PythonRequirement
from buildpack.installers.locks.project_errors import (
    InvalidProjectError,
    NothingToInstallError,
    UnknownChoiceError,
)
from buildpack.installers.locks.project_file import expand_groups
from buildpack.package_manager import MissingLockError
from buildpack.settings import BuildSettings

PROJECT = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["flask==3.1.0"]

[project.optional-dependencies]
web = ["gunicorn"]
test = ["pytest"]

[dependency-groups]
dev = ["ruff"]
docs = ["sphinx"]
"""
BUILD_SYSTEM = '\n[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


def app_of(root: Path, **files: str) -> App:
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return App(root=root)


@pytest.mark.parametrize(
    ("text", "settings", "options"),
    [
        (PROJECT, BuildSettings(), ("-r", "pyproject.toml")),
        (PROJECT + BUILD_SYSTEM, BuildSettings(), ("-e", ".")),
        (
            PROJECT + BUILD_SYSTEM + "[tool.uv]\npackage = false\n",
            BuildSettings(),
            ("-r", "pyproject.toml"),
        ),
        (
            PROJECT,
            BuildSettings(groups=("docs",), extras=("web",)),
            ("--group", "docs", "--extra", "web", "-r", "pyproject.toml"),
        ),
        (
            PROJECT + BUILD_SYSTEM,
            BuildSettings(extras=("web",), is_test=True),
            ("--group", "dev", "-e", ".[web,test]"),
        ),
        (BUILD_SYSTEM, BuildSettings(), ("-e", ".")),
    ],
)
def test_a_project_is_installed_itself_where_it_can_be_built(
    text: str, settings: BuildSettings, options: tuple[str, ...], tmp_path: Path
) -> None:
    dependencies = pyproject.read(app_of(tmp_path, pyproject__toml=text), settings, {})
    assert dependencies.options == options


def test_a_project_says_which_python_it_needs(tmp_path: Path) -> None:
    dependencies = pyproject.read(app_of(tmp_path, pyproject__toml=PROJECT), BuildSettings(), {})
    limit = PythonRequirement(specifier=">=3.11", origin="pyproject.toml (requires-python)")
    assert dependencies.requires_python == (limit,)


def test_versions_that_are_left_open_are_warned_about(tmp_path: Path) -> None:
    pinned = app_of(tmp_path, pyproject__toml=PROJECT)
    assert pyproject.read(pinned, BuildSettings(), {}).warnings == ()
    loose = app_of(tmp_path, pyproject__toml=PROJECT.replace("flask==3.1.0", "flask>=3"))
    assert pyproject.read(loose, BuildSettings(), {}).warnings == (
        "pyproject.toml says which packages your app needs, not in which versions.\n\n"
        "A later build may install newer ones. To keep those that work, commit a\n"
        "lock file:\n\n    uv lock\n    git add uv.lock",
    )


def test_settings_of_tools_alone_are_nothing_to_install(tmp_path: Path) -> None:
    app = app_of(tmp_path, pyproject__toml="[tool.ruff]\nline-length = 99\n[tool.mypy]\n")
    with pytest.raises(NothingToInstallError) as raised:
        pyproject.read(app, BuildSettings(), {})
    assert raised.value.text() == (
        "pyproject.toml does not say what to install\n\n"
        "It has [tool.ruff], [tool.mypy], but neither [project] nor [build-system].\n\n"
        "List your app's dependencies in it:\n\n"
        '    [project]\n    name = "app"\n    version = "0"\n    dependencies = ["flask"]'
    )


def test_a_poetry_project_without_its_lock_is_told_to_make_it(tmp_path: Path) -> None:
    text = '[tool.poetry]\nname = "app"\n[tool.poetry.dependencies]\npython = "^3.11"\n'
    with pytest.raises(MissingLockError) as raised:
        pyproject.read(app_of(tmp_path, pyproject__toml=text), BuildSettings(), {})
    assert "    poetry lock\n    git add poetry.lock" in raised.value.text()


def test_an_extra_that_the_project_does_not_have_is_refused(tmp_path: Path) -> None:
    app = app_of(tmp_path, pyproject__toml=PROJECT)
    with pytest.raises(UnknownChoiceError) as raised:
        pyproject.read(app, BuildSettings(extras=("net",)), {})
    assert raised.value.known == ("test", "web")


def test_values_of_the_wrong_type_are_mistakes_too(tmp_path: Path) -> None:
    text = '[project]\nname = "app"\ndependencies = "flask"\nrequires-python = 3.12\n'
    with pytest.raises(InvalidProjectError) as raised:
        pyproject.read(app_of(tmp_path, pyproject__toml=text), BuildSettings(), {})
    assert raised.value.text() == (
        "pyproject.toml has 2 mistakes\n\n"
        "pyproject.toml: project.dependencies is not an array of strings\n"
        "pyproject.toml:4: requires-python = '3.12'\n    It should look like '==3.12.*'.\n\n"
        "Correct the file. A requirement looks like one of these:\n\n"
        '    "flask==3.1.3"\n    "gunicorn>=23"\n    "psycopg[binary]"'
    )


def test_groups_include_each_other_and_a_circle_ends() -> None:
    groups = {
        "All_Of": ["a", {"include-group": "lint"}],
        "lint": ["ruff", {"include-group": "all.of"}],
    }
    assert expand_groups(groups, {}) == {"all-of": ("a", "ruff"), "lint": ("ruff", "a")}
    assert expand_groups({}, {"dev-dependencies": ["x"]}) == {"dev": ("x",)}


SETUP_PY = """\
from setuptools import setup
setup(name="app", python_requires=">=3.10", install_requires=["flask"])
"""


def test_a_setup_py_is_read_without_running_it(tmp_path: Path) -> None:
    app = app_of(tmp_path, setup__py=SETUP_PY + "raise SystemExit\n")
    dependencies = setup_py.read(app, BuildSettings(extras=("web",)), {})
    assert dependencies.options == ("-e", ".[web]")
    assert dependencies.local_paths == (".",)
    limit = PythonRequirement(specifier=">=3.10", origin="setup.py (python_requires)")
    assert dependencies.requires_python == (limit,)
    assert dependencies.warnings[0].startswith("setup.py says which packages your app needs")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[options]\npython_requires = >=3.9, !=3.9.1\n", ">=3.9, !=3.9.1"),
        ("[metadata]\nname = x\n", ""),
        ("[options]\npython_requires = about 3\n", ""),
        ("no section\n", ""),
    ],
)
def test_a_setup_cfg_says_which_python_it_needs(text: str, expected: str) -> None:
    assert setup_py.python_of_setup_cfg(text) == expected


@pytest.mark.parametrize("text", ["setup(python_requires=VERSION)", "setup(", "x = 1"])
def test_what_a_setup_py_computes_is_not_guessed(text: str) -> None:
    assert setup_py.python_of_setup_py(text) == ""
