"""django: when collectstatic runs, and what its failures mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.frameworks.django import (
    collect_static_files,
    collectstatic_command,
    find_manage_py,
    reason_to_skip,
    settings_of,
)
from buildpack.frameworks.django_errors import CollectstaticError
from buildpack.support.command import Command
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def django_venv(build_dir: Path) -> Venv:
    version = PythonVersion(major=3, minor=13, patch=0)
    venv = Venv(root=build_dir / ".heroku" / "venv", version=version)
    touch(venv.site_packages / "django" / "__init__.py")
    return venv


def test_the_shallowest_manage_py_wins(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "manage.py")
    touch(tmp_path / "z" / "manage.py")
    assert find_manage_py(tmp_path) == "z/manage.py"


def test_deep_files_packages_and_our_own_directory_do_not_count(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "c" / "manage.py")
    for directory in (".heroku", ".git", "node_modules"):
        touch(tmp_path / directory / "manage.py")
    (tmp_path / "manage.py").symlink_to("nowhere")
    assert find_manage_py(tmp_path) is None


def test_a_link_to_manage_py_counts(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "c" / "manage.py")
    (tmp_path / "manage.py").symlink_to("a/b/c/manage.py")
    assert find_manage_py(tmp_path) == "manage.py"


def test_it_runs_for_django_with_manage_py(tmp_path: Path) -> None:
    touch(tmp_path / "manage.py")
    assert reason_to_skip(tmp_path, django_venv(tmp_path), "") == ("manage.py", "")
    assert reason_to_skip(tmp_path, django_venv(tmp_path), "0") == ("manage.py", "")


def test_it_is_silent_without_django(tmp_path: Path) -> None:
    touch(tmp_path / "manage.py")
    venv = Venv(root=tmp_path, version=PythonVersion(major=3, minor=13, patch=0))
    assert reason_to_skip(tmp_path, venv, "") == (None, "")


def test_every_other_reason_is_said(tmp_path: Path) -> None:
    venv = django_venv(tmp_path)
    reason = "Skipped: no manage.py in the app's directory or up to two levels below it."
    assert reason_to_skip(tmp_path, venv, "") == (None, reason)
    touch(tmp_path / "manage.py")
    assert reason_to_skip(tmp_path, venv, "1") == (
        None,
        "Skipped: the config var DISABLE_COLLECTSTATIC is set.",
    )
    touch(tmp_path / ".heroku" / "collectstatic_disabled")
    assert "deprecated" in reason_to_skip(tmp_path, venv, "")[1]


def command(tmp_path: Path, script: str, **env: str) -> Command:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return collectstatic_command(tmp_path, python, "manage.py", {"PATH": "/usr/bin:/bin", **env})


def test_the_command_is_the_one_a_person_would_type() -> None:
    python = Path("/build/.heroku/venv/bin/python")
    made = collectstatic_command(Path("/build"), python, "site/manage.py", {"A": "1"})
    assert made.argv == (
        "/build/.heroku/venv/bin/python",
        "site/manage.py",
        "collectstatic",
        "--noinput",
        "--traceback",
    )
    assert made.cwd == Path("/build")
    assert made.env == {"PYTHONPATH": ".", "A": "1"}


def test_a_failure_shows_the_line_that_says_it_and_the_way_out(tmp_path: Path) -> None:
    script = 'echo Traceback; echo "ValueError: anything"; exit 3'
    with pytest.raises(CollectstaticError) as caught:
        collect_static_files(command(tmp_path, script), "manage.py", lambda line: None)
    assert caught.value.reason_id == "collectstatic-other"
    assert caught.value.text() == (
        "Django's static files could not be collected\n\n"
        "'python manage.py collectstatic --noinput' ended with exit code 3:\n\n"
        "    ValueError: anything\n\n"
        "The reason is in its output above.\n\n"
        "Run the same command on your computer to see it fail. If your app has\n"
        "no static files of its own, set the config var DISABLE_COLLECTSTATIC=1."
    )


def test_a_run_that_was_killed_says_so(tmp_path: Path) -> None:
    with pytest.raises(CollectstaticError) as caught:
        collect_static_files(command(tmp_path, "kill -KILL $$"), "manage.py", print)
    assert (
        "'python manage.py collectstatic --noinput' was killed by SIGKILL." in caught.value.details
    )


def test_an_app_without_staticfiles_is_skipped_quietly(tmp_path: Path) -> None:
    said = ("Unknown command: 'collectstatic'", "Type 'manage.py help' for usage.")
    script = "".join(f'echo "{line}";' for line in said) + "exit 1"
    shown: list[str] = []
    assert not collect_static_files(command(tmp_path, script), "manage.py", shown.append)
    assert shown == []


def test_settings_that_manage_py_names_and_nobody_has_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text('setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n')
    script = "echo \"ModuleNotFoundError: No module named 'shop'\"; exit 1"
    with pytest.raises(CollectstaticError) as caught:
        collect_static_files(command(tmp_path, script), "manage.py", lambda line: None)
    assert "DJANGO_SETTINGS_MODULE is 'shop.settings', and there is no 'shop'." in str(
        caught.value.details
    )


def test_the_config_var_wins_over_the_settings_of_manage_py(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text('setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n')
    assert settings_of(tmp_path, "manage.py", {}) == "shop.settings"
    assert settings_of(tmp_path, "manage.py", {"DJANGO_SETTINGS_MODULE": "x.prod"}) == "x.prod"
    assert settings_of(tmp_path, "gone.py", {}) == ""


def test_output_is_passed_on(tmp_path: Path) -> None:
    shown: list[str] = []
    made = command(tmp_path, 'echo "$1 $2 $GREETING"', GREETING="hello")
    assert collect_static_files(made, "manage.py", shown.append)
    assert shown == ["manage.py collectstatic hello"]


def test_debug_shows_names_and_lengths_and_no_value_that_could_be_a_secret(tmp_path: Path) -> None:
    shown: list[str] = []
    env = {"DEBUG_COLLECTSTATIC": "1", "SECRET_KEY": "hunter2222", "DSN": "x", "EMPTY": "",
           "DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONSECRET": "hunter2222"}  # fmt: skip
    with pytest.raises(CollectstaticError):
        collect_static_files(command(tmp_path, "exit 1", **env), "manage.py", shown.append)
    assert shown == [
        "",
        "DEBUG_COLLECTSTATIC: the environment of collectstatic",
        "  DEBUG_COLLECTSTATIC (1 character)",
        "  DJANGO_SETTINGS_MODULE=mysite.settings",
        "  DSN (1 character)",
        "  EMPTY (0 characters)",
        "  PATH=/usr/bin:/bin",
        "  PYTHONPATH=.",
        "  PYTHONSECRET (10 characters)",
        "  SECRET_KEY (10 characters)",
    ]


@pytest.mark.parametrize("switch", ["", "0"])
def test_debug_off_shows_nothing(switch: str, tmp_path: Path) -> None:
    shown: list[str] = []
    made = command(tmp_path, "exit 1", DEBUG_COLLECTSTATIC=switch)
    with pytest.raises(CollectstaticError):
        collect_static_files(made, "manage.py", shown.append)
    assert shown == []
