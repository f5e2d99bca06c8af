"""cache_key: what decides a virtualenv, and how a difference is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.cache_key import VenvFacts, read_last_facts, venv_facts, write_last_facts
from buildpack.installers.base import Dependencies
from buildpack.package_manager import PackageManager
from buildpack.runtime.install import Runtime
from buildpack.versions.python_version import PythonVersion

RUNTIME = Runtime(
    home=Path("/runtime"),
    version=PythonVersion(major=3, minor=13, patch=1),
    provider="host",
    build_id="b1",
    reason="",
)
DEPENDENCIES = Dependencies(
    manager=PackageManager.PIP,
    source="requirements.txt",
    inputs={"requirements.txt": b"flask\n", "base.txt": b"rich\n"},
    local_paths=("lib",),
    options=("--require-hashes",),
    facts={"groups": "main"},
)


@pytest.fixture
def app(tmp_path: Path) -> App:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "setup.py").write_text("1")
    (tmp_path / "constraints.txt").write_text("flask<4\n")
    return App(root=tmp_path)


ENV = {"PIP_INDEX_URL": "https://me:secret@index.example.com/simple"}


def facts(
    app: App,
    dependencies: Dependencies = DEPENDENCIES,
    runtime: Runtime = RUNTIME,
    env: dict[str, str] = ENV,
) -> VenvFacts:
    return venv_facts(app, runtime, dependencies, env)


def changes(before: VenvFacts, after: VenvFacts) -> tuple[str, ...]:
    assert before.key != after.key
    return after.changes_since(before.facts)


def test_the_same_inputs_have_the_same_name(app: App) -> None:
    assert facts(app).key == facts(app).key
    assert facts(app).changes_since(facts(app).facts) == ()


def test_a_first_build_has_nothing_to_tell(app: App) -> None:
    assert facts(app).changes_since({}) == ()


def test_a_changed_a_new_and_a_missing_file_are_named(app: App) -> None:
    other = replace(DEPENDENCIES, inputs={"requirements.txt": b"flask>3\n", "new.txt": b""})
    assert changes(facts(app), facts(app, other)) == (
        "base.txt is gone",
        "new.txt is new",
        "requirements.txt changed",
    )


def test_the_indexes_of_a_lock_count_by_themselves(app: App) -> None:
    """Where they changed, what is installed may be another index's file of the same version."""
    before = replace(DEPENDENCIES, requirements="--index-url https://a.example.com\nflask==3\n")
    after = replace(DEPENDENCIES, requirements="flask==3\n")
    assert changes(facts(app, before), facts(app, after)) == (
        "the lock's index is gone",
        "the locked requirements changed",
    )


def test_a_local_directory_is_named_when_its_content_changed(app: App) -> None:
    before = facts(app)
    (app.root / "lib" / "setup.py").write_text("2")
    assert changes(before, facts(app)) == ("lib changed",)


def test_versions_are_told_from_and_to(app: App) -> None:
    version = PythonVersion(major=3, minor=14, patch=0)
    later = replace(RUNTIME, version=version, build_id="b2")
    more = replace(DEPENDENCIES, facts={"groups": "main,prod"})
    assert changes(facts(app), facts(app, more, later)) == (
        "Python changed from 3.13.1 to 3.14.0",
        "choice of groups changed from main to main,prod",
    )


def test_every_single_fact_makes_another_virtualenv_and_is_told(app: App) -> None:
    """No reason to start anew is silent: another platform, uv, layout of the cache, anything."""
    now = facts(app)
    assert {"the platform", "uv", "the cache's layout", "Python"} <= now.facts.keys()
    for name in now.facts:
        earlier = VenvFacts(facts={**now.facts, name: "other"})
        (phrase,) = changes(earlier, now)
        assert phrase.split(" changed")[0] in name


def test_of_another_package_manager_its_files_are_told_and_not_its_options(app: App) -> None:
    poetry = replace(
        DEPENDENCIES, manager=PackageManager.POETRY, inputs={"poetry.lock": b""},
        local_paths=(".",), options=("-e", "."), facts={"groups": "main", "extras": "web"},
    )  # fmt: skip
    assert changes(facts(app), facts(app, poetry)) == (
        "the app's own package is new",
        "lib is gone",
        "base.txt is gone",
        "poetry.lock is new",
        "requirements.txt is gone",
        "the package manager changed from pip to poetry",
    )


def test_a_setting_is_named_and_its_value_is_nowhere(app: App) -> None:
    before, after = facts(app), facts(app, env={"PIP_INDEX_URL": "https://other.example.com"})
    assert changes(before, after) == ("setting UV_DEFAULT_INDEX changed",)
    assert "secret" not in str(before.facts)


def test_a_constraint_from_a_setting_counts_with_its_content(app: App) -> None:
    env = {"PIP_CONSTRAINT": "constraints.txt"}
    before = facts(app, env=env)
    (app.root / "constraints.txt").write_text("flask<3\n")
    assert changes(before, facts(app, env=env)) == ("constraints.txt changed",)


def test_what_build_scripts_are_told_counts(app: App) -> None:
    env = {**ENV, "MYSQLCLIENT_CFLAGS": "-I/opt/mysql", "DATABASE_URL": "postgres://u:p@db"}
    assert changes(facts(app), facts(app, env=env)) == ("setting MYSQLCLIENT_CFLAGS is new",)


def test_settings_that_only_set_how_long_to_wait_decide_nothing(app: App) -> None:
    assert facts(app).key == facts(app, env={**ENV, "PIP_DEFAULT_TIMEOUT": "99"}).key


def test_last_facts_come_back_as_they_were_written(app: App, tmp_path: Path) -> None:
    write_last_facts(tmp_path, facts(app))
    assert read_last_facts(tmp_path) == facts(app).facts


def test_last_facts_that_are_noted_already_are_not_written_again(app: App, tmp_path: Path) -> None:
    note = tmp_path / "last-venv.json"
    write_last_facts(tmp_path, facts(app))
    before = note.stat().st_ino
    write_last_facts(tmp_path, facts(app))
    assert note.stat().st_ino == before
    write_last_facts(tmp_path, facts(app, env={}))
    assert read_last_facts(tmp_path) == facts(app, env={}).facts


@pytest.mark.parametrize("text", ["", "[]", "not json", '{"a": 1}'])
def test_a_note_that_cannot_be_read_is_a_first_build(text: str, tmp_path: Path) -> None:
    (tmp_path / "last-venv.json").write_text(text)
    assert read_last_facts(tmp_path) == {}
