"""django: when collectstatic runs, and what its failures mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.django import (
    CollectstaticError,
    collect_static_files,
    collectstatic_command,
    find_manage_py,
    reason_to_skip,
)
from buildpack.python_version import PythonVersion
from buildpack.venv import Venv


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def django_venv(build_dir: Path) -> Venv:
    version = PythonVersion(major=3, minor=13, patch=0)
    venv = Venv(root=build_dir / ".heroku" / "venv", version=version)
    touch(venv.site_packages / "django" / "__init__.py")
    return venv


def fake_python(build_dir: Path, script: str) -> None:
    python = build_dir / ".heroku" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


def test_the_shallowest_manage_py_wins(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "manage.py")
    touch(tmp_path / "z" / "manage.py")
    assert find_manage_py(tmp_path) == "z/manage.py"


def test_links_deep_files_and_our_own_directory_do_not_count(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "c" / "manage.py")
    touch(tmp_path / ".heroku" / "manage.py")
    (tmp_path / "manage.py").symlink_to("a/b/c/manage.py")
    assert find_manage_py(tmp_path) is None


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
    assert reason_to_skip(tmp_path, venv, "") == (None, "Skipped: no manage.py found.")
    touch(tmp_path / "manage.py")
    assert reason_to_skip(tmp_path, venv, "1") == (
        None,
        "Skipped: the config var DISABLE_COLLECTSTATIC is set.",
    )
    touch(tmp_path / ".heroku" / "collectstatic_disabled")
    assert "deprecated" in reason_to_skip(tmp_path, venv, "")[1]


def test_the_command_is_the_one_a_person_would_type() -> None:
    command = collectstatic_command(Path("/build"), "site/manage.py", {"A": "1"})
    assert command.argv == (
        "/build/.heroku/venv/bin/python",
        "site/manage.py",
        "collectstatic",
        "--noinput",
        "--traceback",
    )
    assert command.env == {"PYTHONPATH": ".", "A": "1"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SyntaxError: invalid syntax", "collectstatic-syntax-error"),
        (
            "django.core.exceptions.ImproperlyConfigured: You're using the staticfiles app",
            "collectstatic-improper-configuration",
        ),
        (
            "whitenoise.storage.MissingFileError: The CSS file 'x.css' references",
            "collectstatic-fancy-references",
        ),
        ("FileNotFoundError: [Errno 2] No such file", "collectstatic-missing-file"),
        ("OSError: disk on fire", "collectstatic-missing-file"),
        ("ValueError: anything", "collectstatic-other"),
    ],
)
def test_failure_classes(line: str, reason: str, tmp_path: Path) -> None:
    fake_python(tmp_path, f'echo Traceback; echo "{line}"; exit 3')
    with pytest.raises(CollectstaticError) as caught:
        collect_static_files(tmp_path, "manage.py", {"PATH": "/usr/bin:/bin"}, lambda line: None)
    assert caught.value.reason_id == reason
    assert caught.value.brief == "Django's static files could not be collected"
    assert line in caught.value.details
    assert "set the config var DISABLE_COLLECTSTATIC=1" in caught.value.resolution


def test_an_app_without_staticfiles_is_skipped(tmp_path: Path) -> None:
    fake_python(tmp_path, "echo \"Unknown command: 'collectstatic'\"; exit 1")
    shown: list[str] = []
    assert not collect_static_files(tmp_path, "manage.py", {"PATH": "/bin"}, shown.append)
    assert shown == []


def test_output_is_passed_on(tmp_path: Path) -> None:
    fake_python(tmp_path, 'echo "$1 $2 $GREETING"')
    shown: list[str] = []
    env = {"PATH": "/bin", "GREETING": "hello"}
    assert collect_static_files(tmp_path, "manage.py", env, shown.append)
    assert shown == ["manage.py collectstatic hello"]
