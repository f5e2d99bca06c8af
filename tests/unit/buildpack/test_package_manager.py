"""package_manager: exactly one, or an error with everything that was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.package_manager import (
    EXPORT_COMMANDS,
    MisspeltRequirementsError,
    MultiplePackageManagersError,
    NoPackageManagerError,
    PackageManager,
    SetupPyOnlyError,
    UnsupportedPackageManagerError,
    determine_package_manager,
)


def app_with(root: Path, *names: str) -> App:
    for name in names:
        (root / name).touch()
    return App(root=root)


def test_requirements_txt_wins_over_files_that_are_no_lock(tmp_path: Path) -> None:
    app = app_with(tmp_path, "requirements.txt", "pyproject.toml", "setup.py", "Pipfile")
    assert determine_package_manager(app) is PackageManager.REQUIREMENTS


def test_several_lock_files_are_all_named(tmp_path: Path) -> None:
    app = app_with(tmp_path, "requirements.txt", "poetry.lock", "uv.lock")
    with pytest.raises(MultiplePackageManagersError) as caught:
        determine_package_manager(app)
    assert caught.value.found == ("requirements.txt", "poetry.lock", "uv.lock")
    assert caught.value.text() == (
        "Your app uses more than one package manager\n\n"
        "Each of these files lists the dependencies of your app:\n\n"
        "  requirements.txt (pip)\n  poetry.lock (Poetry)\n  uv.lock (uv)\n\n"
        "Keep the one you use and remove the others. For example,\n"
        "to keep requirements.txt:\n\n    git rm poetry.lock uv.lock"
    )


@pytest.mark.parametrize("name", sorted(EXPORT_COMMANDS))
def test_a_later_package_manager_comes_with_its_export_command(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedPackageManagerError) as caught:
        determine_package_manager(app_with(tmp_path, name))
    assert caught.value.text() == (
        f"This version cannot install from {name} yet\n\n"
        f"Your app has {name} and no requirements.txt. Support for it\n"
        "comes in a later version.\n\n"
        "Until then, write its packages to a requirements.txt and\n"
        f"commit that file instead:\n\n    {EXPORT_COMMANDS[name]}"
    )


def test_a_misspelt_name_comes_with_the_command_that_renames_it(tmp_path: Path) -> None:
    with pytest.raises(MisspeltRequirementsError) as caught:
        determine_package_manager(app_with(tmp_path, "requirments.txt"))
    assert "git mv requirments.txt requirements.txt" in caught.value.resolution


def test_setup_py_alone_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(SetupPyOnlyError) as caught:
        determine_package_manager(app_with(tmp_path, "setup.py"))
    assert caught.value.brief == "Your app has setup.py, but no requirements.txt"


def test_nothing_lists_the_root_and_the_directory_below_that_has_one(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    app_with(tmp_path / "api", "requirements.txt")
    with pytest.raises(NoPackageManagerError) as caught:
        determine_package_manager(app_with(tmp_path, "app.py"))
    assert caught.value.details == (
        "The root directory of your app holds:\n\n  api/\n  app.py\n\n"
        "Found api/requirements.txt: is your app in that directory?"
    )
