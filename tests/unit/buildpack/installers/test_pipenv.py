"""pipenv: Pipfile.lock read without Pipenv; whether it is up to date, and what it says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.base import Dependencies
from buildpack.installers.locks.lock_errors import (
    InexactLockError,
    LockedPythonVersionError,
    UnexplainedLockError,
)
from buildpack.installers.locks.pipenv_lock import pipfile_hashes
from buildpack.installers.locks.project_errors import (
    BrokenFileError,
    LocalPathError,
    LockOutOfSyncError,
    UnknownChoiceError,
)
from buildpack.installers.pipenv import read
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings

PIPFILE = """
[[source]]
url = "https://pypi.org/simple"
verify_ssl = true
name = "pypi"

[packages]
Flask = "==3.1.0"

[dev-packages]
pytest = ">=8"

[requires]
python_version = "3.13"
"""
FROM_PYPI = {"index": "pypi", "hashes": ["sha256:aa"]}


def write(root: Path, pipfile: str = PIPFILE, requires: object = None, **lock: object) -> App:
    (root / "Pipfile").write_text(pipfile)
    table = tomllib.loads(pipfile)
    meta = {
        "hash": {"sha256": pipfile_hashes(table)[0]},
        "requires": table.get("requires", {}) if requires is None else requires,
        "sources": table.get("source", []),
    }
    content = {"default": {}, "develop": {}, **lock, "_meta": meta}
    (root / "Pipfile.lock").write_text(json.dumps(content))
    return App(root=root)


def lines(app: App, settings: BuildSettings | None = None, **env: str) -> list[str]:
    return read(app, settings or BuildSettings(), env).requirements.splitlines()


def flask(version: str = "3.1.0", **more: object) -> dict[str, object]:
    return {"flask": {**FROM_PYPI, "version": f"=={version}", **more}}


def test_the_hash_is_the_one_pipenv_writes() -> None:
    """Both values were written by Pipenv, the second before it normalised names."""
    assert pipfile_hashes(tomllib.loads(PIPFILE))[0] != pipfile_hashes(tomllib.loads(PIPFILE))[1]
    lower = tomllib.loads(PIPFILE.replace("Flask", "flask"))
    assert pipfile_hashes(lower) == (pipfile_hashes(tomllib.loads(PIPFILE))[0],) * 2


def test_what_is_read(tmp_path: Path) -> None:
    app = write(tmp_path, default=flask(markers="python_version >= '3.9'"))
    found = read(app, BuildSettings(), {})
    assert found == Dependencies(
        manager=PackageManager.PIPENV,
        source="Pipfile.lock",
        inputs={name: app.read_bytes(name) for name in ("Pipfile.lock", "Pipfile")},
        requirements="flask==3.1.0 ; python_version >= '3.9' --hash=sha256:aa\n",
        options=("--no-deps", "--require-hashes"),
        python_version="3.13",
        facts={"categories": "default"},
    )


def test_every_kind_of_entry(tmp_path: Path) -> None:
    (tmp_path / "libs/a").mkdir(parents=True)
    (tmp_path / "libs/b").mkdir()
    (tmp_path / "libs/b/setup.py").touch()
    app = write(
        tmp_path,
        default={
            "a": {"path": "./libs/a"},
            "b": {"path": "./libs/b", "editable": True},
            "c": {"git": "https://g.example/c", "ref": "c0ffee", "subdirectory": "s"},
            "d": {"file": "https://d.example/d.zip"},
            "e": {"version": "*"},
            "f": "==1.0",
            "g": {"version": "==2", "extras": ["x"], "os_markers": "os_name == 'posix'"},
            "h": {"version": "==3", "no_binary": True},
        },
    )
    found = read(app, BuildSettings(), {})
    assert found.requirements.splitlines() == [
        "--no-binary h",
        "a @ ./libs/a",
        "-e ./libs/b",
        "c @ git+https://g.example/c@c0ffee#subdirectory=s",
        "d @ https://d.example/d.zip",
        "e",
        "f==1.0",
        "g==2 ; os_name == 'posix'",
        "h==3",
    ]
    assert found.local_paths == ("libs/a", "libs/b")
    assert found.options == ("--no-deps",)


def test_categories_by_setting_and_develop_for_tests(tmp_path: Path) -> None:
    pytest_entry = {"pytest": {**FROM_PYPI, "version": "==8"}}
    app = write(tmp_path, default=flask(), develop=pytest_entry, prod={"uwsgi": "==2"})
    assert len(lines(app)) == 1
    assert lines(app, BuildSettings(is_test=True))[1].startswith("pytest==8")
    assert lines(app, BuildSettings(groups=("prod",)))[1] == "uwsgi==2"
    assert lines(app, BuildSettings(groups=("dev-packages",)))[1].startswith("pytest==8")
    with pytest.raises(UnknownChoiceError) as caught:
        lines(app, BuildSettings(groups=("docs",)))
    assert "docs" in caught.value.details
    with pytest.raises(UnknownChoiceError):
        lines(app, BuildSettings(extras=("fast",)))


def test_the_later_category_counts_and_markers_are_joined(tmp_path: Path) -> None:
    same = flask(markers="os_name == 'nt'")
    app = write(tmp_path, default=same, develop=flask())
    assert lines(app, BuildSettings(is_test=True)) == ["flask==3.1.0 --hash=sha256:aa"]
    app = write(tmp_path, default=same, develop=flask("3.2"))
    assert lines(app, BuildSettings(is_test=True)) == ["flask==3.2 --hash=sha256:aa"]


def test_what_only_pipenv_could_tell_is_refused_all_at_once(tmp_path: Path) -> None:
    app = write(
        tmp_path,
        default={
            "a": {"hg": "https://h.example"},
            "b": {"version": ">=2"},
            "c": {"version": "==2", "markers": "os_name"},
            "d": {"version": "==2", "index": "gone"},
            "e": {"version": "==2", "pip_args": ["--config-settings", "x=y"]},
        },
    )
    with pytest.raises(InexactLockError) as caught:
        lines(app)
    assert [finding.split(": ")[2] for finding in caught.value.findings] == list("abcde")
    assert caught.value.brief == "Pipfile.lock does not say exactly what to install"
    assert "its version is '>=2', not one exact version" in caught.value.details
    assert "pipenv lock" in caught.value.resolution


def test_named_sources_and_config_vars_in_their_urls(tmp_path: Path) -> None:
    private = '\n[[source]]\nname = "own"\nurl = "https://${USER}:${PASS}@i.example/simple"\n'
    app = write(
        tmp_path,
        PIPFILE + private + "verify_ssl = false\n",
        default={**flask(), "secret": {"index": "own", "version": "==1"}},
    )
    assert lines(app, USER="me", PASS="hush") == [
        "flask==3.1.0 --hash=sha256:aa",
        "--index-url https://${USER}:${PASS}@i.example/simple",
        "--trusted-host i.example",
        "secret==1",
    ]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("==3.1.0", "==3.1.1", ("flask", "Flask==3.1.1", "flask 3.1.0")),
        ("[dev-", 'rich = "*"\n[dev-', ("rich", "rich", "")),
        ("Flask", "#Flask", ("flask", "", "flask 3.1.0")),
        ('"3.13"', '"3.12"', ("python_version", "python_version = 3.12", "python_version = 3.13")),
        ('name = "pypi"', 'name = "x"', ("source pypi", "", "source pypi")),
        ('"==3.1.0"', '{version = "*", extras = ["Async"]}',
         ("flask", "Flask[async]", "flask 3.1.0, without [async]")),
        ('"==3.1.0"', '{git = "https://example.org/f"}',
         ("flask", "Flask (git https://example.org/f)", "flask 3.1.0")),
    ],
)  # fmt: skip
def test_what_differs_is_named(
    old: str, new: str, difference: tuple[str, str, str], tmp_path: Path
) -> None:
    develop = {"pytest": {**FROM_PYPI, "version": "==8.3"}}
    app = write(tmp_path, default=flask(), develop=develop)
    (tmp_path / "Pipfile").write_text(PIPFILE.replace(old, new, 1))
    with pytest.raises(LockOutOfSyncError) as caught:
        lines(app)
    assert difference in [(d.name, d.wanted, d.locked) for d in caught.value.differences]
    assert caught.value.brief == "Pipfile.lock does not match Pipfile"
    assert caught.value.command == "pipenv lock"


def test_a_change_that_the_lock_still_satisfies(tmp_path: Path) -> None:
    app = write(tmp_path, default=flask(), develop={"pytest": {**FROM_PYPI, "version": "==8.3"}})
    (tmp_path / "Pipfile").write_text(PIPFILE.replace(">=8", ">=8.1"))
    with pytest.raises(UnexplainedLockError) as caught:
        lines(app)
    assert caught.value.text() == (
        "Pipfile.lock does not match Pipfile\n\n"
        "Pipfile was changed after Pipfile.lock was written. Every package it\n"
        "asks for is locked in a version that fits, so what changed is something\n"
        "else: a wider or narrower version, an extra, a marker or a source.\n\n"
        "Write the lock file again and commit it:\n\n    pipenv lock\n    git add Pipfile.lock"
    )


def test_without_a_pipfile_nobody_can_tell(tmp_path: Path) -> None:
    app = write(tmp_path, default=flask())
    (tmp_path / "Pipfile").unlink()
    (warning,) = read(app, BuildSettings(), {}).warnings
    assert "no Pipfile" in warning


@pytest.mark.parametrize(
    ("requires", "version"),
    [
        ({}, ""),
        ({"python_version": "*"}, ""),
        ({"python_version": "3.12"}, "3.12"),
        ({"python_version": "3.12", "python_full_version": "3.12.4"}, "3.12.4"),
    ],
)
def test_the_locked_python_version(requires: object, version: str, tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text(json.dumps({"_meta": {"requires": requires}}))
    assert read(App(root=tmp_path), BuildSettings(), {}).python_version == version


@pytest.mark.parametrize("field", ["python_version", "python_full_version"])
def test_a_locked_python_version_that_is_none(field: str, tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text(json.dumps({"_meta": {"requires": {field: "^3"}}}))
    with pytest.raises(LockedPythonVersionError) as caught:
        read(App(root=tmp_path), BuildSettings(), {})
    assert caught.value.details == f"Its field {field} is '^3'."
    assert f'    {field} = "3.13' in caught.value.resolution


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("", "Pipfile.lock: the file is empty."),
        ('{\n<<<<<<< HEAD\n"a": 1\n', "Pipfile.lock:2: this line was left by a merge conflict."),
        ('{\n "a" 1}', "Pipfile.lock:2: this is not JSON: Expecting ':' delimiter (column 6)."),
        ("[]", "Pipfile.lock:1: this is JSON, but not an object."),
    ],
)
def test_a_broken_lock_file(text: str, details: str, tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text(text)
    with pytest.raises(BrokenFileError) as caught:
        read(App(root=tmp_path), BuildSettings(), {})
    assert caught.value.details == details
    assert "pipenv lock" in caught.value.resolution


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    app = write(tmp_path, default={"a": {"path": "./gone"}, "b": {"path": "../outside"}})
    with pytest.raises(LocalPathError) as caught:
        lines(app)
    assert [path for path, _ in caught.value.problems] == ["gone", "../outside"]
