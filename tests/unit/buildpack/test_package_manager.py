"""package_manager: exactly one, or an error with everything that was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.package_manager import (
    LOCK_FILES,
    ChosenFileMissingError,
    MissingLockError,
    MisspeltRequirementsError,
    MultiplePackageManagersError,
    NoPackageManagerError,
    PackageManager,
    UnknownPackageManagerError,
    determine_package_manager,
    find_scripts,
)
from buildpack.settings import BuildSettings

SETUP_CFG = "[flake8]\nmax-line-length = 100\n\n[metadata]\nname = shop\n"
SCRIPT = '# /// script\n# dependencies = ["rich"]\n# ///\n'


def app_with(root: Path, *names: str, **texts: str) -> App:
    for name in names:
        (root / name).touch()
    for name, text in texts.items():
        (root / ".".join(name.rsplit("_", 1))).write_text(text)
    return App(root=root)


def determine(app: App, *, chosen: str = "") -> PackageManager:
    return determine_package_manager(app, BuildSettings(package_manager=chosen))


@pytest.mark.parametrize(("name", "manager"), LOCK_FILES.items())
def test_the_file_with_exact_versions_decides(
    name: str, manager: PackageManager, tmp_path: Path
) -> None:
    app = app_with(tmp_path, name, "pyproject.toml", "setup.py", "Pipfile", "requirements.in")
    assert determine(app) is manager


@pytest.mark.parametrize(
    ("names", "texts", "manager"),
    [
        (("requirements.in", "setup.py"), {}, PackageManager.PIP_TOOLS),
        (("setup.py",), {"pyproject_toml": "[project]\nname='a'\n"}, PackageManager.PYPROJECT),
        ((), {"pyproject_toml": "[build-system]\nrequires=[]\n"}, PackageManager.PYPROJECT),
        ((), {"pyproject_toml": "not toml at all"}, PackageManager.PYPROJECT),
        ((), {"setup_cfg": SETUP_CFG, "pyproject_toml": "[tool.ruff]\n"}, PackageManager.SETUP_PY),
        (("setup.cfg",), {"main_py": SCRIPT}, PackageManager.SCRIPT),
        (("setup.py",), {"main_py": SCRIPT}, PackageManager.SETUP_PY),
        (("other.py",), {"main_py": SCRIPT}, PackageManager.SCRIPT),
    ],
)
def test_without_a_lock_the_most_telling_file_decides(
    names: tuple[str, ...], texts: dict[str, str], manager: PackageManager, tmp_path: Path
) -> None:
    assert determine(app_with(tmp_path, *names, **texts)) is manager


def test_every_script_with_metadata_is_found(tmp_path: Path) -> None:
    app = app_with(tmp_path, "plain.py", a_py=SCRIPT, b_py="x = 1\n" + SCRIPT)
    assert find_scripts(app) == ("a.py", "b.py")


def test_several_lock_files_are_all_named_with_both_ways_out(tmp_path: Path) -> None:
    app = app_with(tmp_path, "requirements.txt", "poetry.lock", "uv.lock")
    with pytest.raises(MultiplePackageManagersError) as caught:
        determine(app)
    assert caught.value.found == ("requirements.txt", "uv.lock", "poetry.lock")
    assert caught.value.text() == (
        "Your app uses more than one package manager\n\n"
        "Each of these files lists the dependencies of your app:\n\n"
        "  requirements.txt (pip)\n  uv.lock (uv)\n  poetry.lock (poetry)\n\n"
        "Keep the one you use and remove the others. For example,\n"
        "to keep requirements.txt:\n\n    git rm uv.lock poetry.lock\n\n"
        "To keep them all, say which one counts with a config var:\n\n"
        "    SLUGKIT_PACKAGE_MANAGER=pip"
    )


def test_a_chosen_manager_settles_which_of_several_counts(tmp_path: Path) -> None:
    app = app_with(tmp_path, "requirements.txt", "poetry.lock", "uv.lock")
    assert determine(app, chosen="poetry") is PackageManager.POETRY


@pytest.mark.parametrize("chosen", ["", "pylock"])
def test_a_pylock_may_have_a_name_of_its_own(chosen: str, tmp_path: Path) -> None:
    app = app_with(tmp_path, "pylock.web.toml", "pyproject.toml")
    assert determine(app, chosen=chosen) is PackageManager.PYLOCK


def test_other_requirements_files_mean_pip(tmp_path: Path) -> None:
    settings = BuildSettings(requirements_files=("requirements/prod.txt",))
    app = app_with(tmp_path, "pyproject.toml")
    assert determine_package_manager(app, settings) is PackageManager.PIP


def test_a_chosen_manager_nobody_knows_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownPackageManagerError) as caught:
        determine(app_with(tmp_path, "requirements.txt"), chosen="conda")
    assert caught.value.text() == (
        "SLUGKIT_PACKAGE_MANAGER names no package manager we know\n\n"
        "Its value is 'conda'.\n\n"
        "Use one of: pip, pip-tools, uv, poetry, pipenv, pdm, pylock, pyproject, setup.py, script."
    )


def test_a_chosen_manager_without_its_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChosenFileMissingError) as caught:
        determine(app_with(tmp_path, "requirements.txt"), chosen="uv")
    assert caught.value.text() == (
        "Your app has no uv.lock\n\n"
        "SLUGKIT_PACKAGE_MANAGER is 'uv', which reads that file.\n\n"
        "Add it to your app, or remove the setting SLUGKIT_PACKAGE_MANAGER."
    )


@pytest.mark.parametrize(
    ("text", "found", "lock", "command"),
    [
        (None, "a Pipfile", "Pipfile.lock", "pipenv lock"),
        ("[tool.poetry]\nname='a'\n", "a pyproject.toml for Poetry", "poetry.lock", "poetry lock"),
    ],
)
def test_wishes_without_a_lock_come_with_the_command_that_makes_it(
    text: str | None, found: str, lock: str, command: str, tmp_path: Path
) -> None:
    app = app_with(tmp_path, "Pipfile") if text is None else app_with(tmp_path, pyproject_toml=text)
    with pytest.raises(MissingLockError) as caught:
        determine(app)
    assert caught.value.text() == (
        f"Your app has {found}, but no {lock}\n\n"
        f"{lock} holds the exact versions to install. It is missing, or\n"
        ".gitignore or .slugignore leaves it out.\n\n"
        f"Make it and commit it:\n\n    {command}\n    git add {lock}"
    )


def test_a_misspelt_name_comes_with_the_command_that_renames_it(tmp_path: Path) -> None:
    with pytest.raises(MisspeltRequirementsError) as caught:
        determine(app_with(tmp_path, "requirments.txt"))
    assert "git mv requirments.txt requirements.txt" in caught.value.resolution


def nothing_found(app: App) -> str:
    with pytest.raises(NoPackageManagerError) as caught:
        determine(app)
    return caught.value.details.partition("holds:\n\n")[2]


def test_a_directory_called_requirements_is_no_misspelt_file(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    app_with(tmp_path / "requirements", "base.txt", "dev.txt", "production.txt", "requirements.txt")
    assert nothing_found(app_with(tmp_path, "app.py")) == (
        "  app.py\n  requirements/\n\n"
        "Found requirements/production.txt. If your app is to have the packages in it:\n\n"
        "    echo '-r requirements/production.txt' > requirements.txt"
    )


def test_conda_s_file_comes_with_the_command_that_writes_what_pip_reads(tmp_path: Path) -> None:
    assert nothing_found(app_with(tmp_path, "app.py", "environment.yml")) == (
        "  app.py\n  environment.yml\n\n"
        "Found environment.yml. Conda's environments are not built here. In one that\n"
        "works, with pip in it, write down its Python packages:\n\n"
        "    pip list --format=freeze > requirements.txt"
    )


def test_capitals_are_named_where_they_are_what_is_wrong(tmp_path: Path) -> None:
    assert nothing_found(app_with(tmp_path, "App.py", "REQUIREMENTS.TXT")) == (
        "  App.py\n  REQUIREMENTS.TXT\n\n"
        "Found REQUIREMENTS.TXT, which has another spelling. Rename it:\n\n"
        "    git mv REQUIREMENTS.TXT requirements.txt"
    )


def test_files_that_hold_settings_of_tools_alone_are_told_so(tmp_path: Path) -> None:
    app = app_with(tmp_path, setup_cfg="[flake8]\n", pyproject_toml="[tool.ruff]\n")
    assert nothing_found(app) == (
        "  pyproject.toml\n  setup.cfg\n\n"
        "pyproject.toml has no [project] table: it only says how tools should behave.\n\n"
        "setup.cfg has no [metadata] section: it only says how tools should behave."
    )


def test_nothing_lists_the_root_and_the_directory_below_that_has_one(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    app_with(tmp_path / "api", "requirements.txt")
    with pytest.raises(NoPackageManagerError) as caught:
        determine(app_with(tmp_path, "app.py"))
    assert caught.value.text() == (
        "Nothing says which packages your app needs\n\n"
        "Looked for requirements.txt, uv.lock, poetry.lock, Pipfile.lock, pdm.lock, pylock.toml,\n"
        "requirements.in, pyproject.toml, setup.py and scripts with metadata.\n"
        "The root directory of your app holds:\n\n  api/\n  app.py\n\n"
        "Found api/requirements.txt. If your app is in that directory, set:\n\n"
        "    SLUGKIT_APP_DIR=api\n\n"
        "Add one of them to the root directory. If your app needs no\n"
        "packages, an empty requirements.txt will do:\n\n    touch requirements.txt"
    )
