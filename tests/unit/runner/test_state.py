"""state: what is remembered of apps, and what happens when the file is not as it should be."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.state import database
from runner.state.errors import (
    AppExistsError,
    NoSuchAppError,
    NoSuchReleaseError,
    StateBusyError,
    StateDamagedError,
    StateFileError,
    StateTooNewError,
)
from runner.state.state import FILE, State, opened_state
from runner.state.values import NewRelease, ReleaseRecord, ReleaseStatus, WantedCount
from slugc.procfile import ProcessType

WEB, WORKER = ProcessType("web"), ProcessType("worker")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with opened_state(tmp_path) as opened:
        yield opened


def test_what_is_said_to_be_done_is_on_the_disk(tmp_path: Path) -> None:
    opened = database.open_database(tmp_path / FILE)
    try:
        assert opened.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
        assert opened.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    finally:
        opened.close()


def new(description: str = "Deploy", **config_vars: str) -> NewRelease:
    return NewRelease(slug="sha256:ab", config_vars=config_vars, description=description, who="me")


def test_an_app_is_made_found_renamed_and_forgotten(state: State) -> None:
    polls = state.create_app("polls")
    assert state.app("polls") == polls
    assert polls.created_at.endswith("+00:00")
    shop = state.rename_app(polls, "shop")
    assert (shop.number, [app.name for app in state.apps()]) == (polls.number, ["shop"])
    state.add_release(shop, lambda _: new())
    state.destroy_app(shop)
    assert state.apps() == ()
    again = state.create_app("shop")
    assert state.releases(again) == ()
    assert again.number != shop.number


def test_a_name_that_is_taken(state: State) -> None:
    state.create_app("polls")
    other = state.create_app("other")
    with pytest.raises(AppExistsError) as caught:
        state.create_app("polls")
    assert caught.value.text() == (
        "There is an app called 'polls' already\n\n"
        "Choose another name. slug-run apps lists those there are."
    )
    with pytest.raises(AppExistsError):
        state.rename_app(other, "polls")
    assert len(state.apps()) == 2


def test_an_app_that_is_not_there_and_the_nearest_that_is(state: State) -> None:
    with pytest.raises(NoSuchAppError, match="polls") as caught:
        state.app("polls")
    assert caught.value.text() == (
        "There is no app called 'polls'\n\nThere are no apps here yet.\n\n"
        "Make it, or have its first deploy make it:\n\n"
        "    slug-run apps create polls\n    slug-run deploy app.slug --app polls --create"
    )
    state.create_app("polls")
    with pytest.raises(NoSuchAppError) as caught:
        state.app("pols")
    assert caught.value.text() == (
        "There is no app called 'pols'\n\n"
        "Did you mean polls? Apps here: polls.\n\n"
        "Make it: slug-run apps create pols"
    )


def test_releases_count_up_and_the_newest_that_may_run_is_current(state: State) -> None:
    app = state.create_app("polls")
    assert state.current(app) is None
    first = state.add_release(app, lambda _: new(A="1"))
    assert first is not None
    assert (first.label, dict(first.config_vars), first.slug) == ("v1", {"A": "1"}, "sha256:ab")
    pending = state.add_release(app, lambda _: replace(new(), status=ReleaseStatus.PENDING))
    assert pending is not None
    assert state.current(app) == first
    state.set_status(app, 2, ReleaseStatus.FAILED)
    assert state.release(app, 2).status is ReleaseStatus.FAILED
    third = state.add_release(app, carried_on)
    assert third is not None
    assert (third.version, dict(third.config_vars)) == (3, {"A": "1", "B": "2"})
    assert [release.version for release in state.releases(app)] == [3, 2, 1]
    assert [release.version for release in state.releases(app, limit=1)] == [3]
    assert state.slugs_in_use() == {"sha256:ab"}


def carried_on(current: ReleaseRecord | None) -> NewRelease:
    assert current is not None
    return new("Set B", **current.config_vars, B="2")


def test_nothing_to_change_is_no_release(state: State) -> None:
    app = state.create_app("polls")
    assert state.add_release(app, lambda _: None) is None
    assert state.releases(app) == ()


def test_a_release_that_is_not_there(state: State) -> None:
    app = state.create_app("polls")
    with pytest.raises(NoSuchReleaseError) as caught:
        state.release(app, 3)
    assert caught.value.details == "It has none yet."
    state.add_release(app, lambda _: new())
    with pytest.raises(NoSuchReleaseError) as caught:
        state.release(app, 3)
    assert caught.value.text() == (
        "polls has no release v3\n\nIts releases are v1 to v1.\n\n"
        "slug-run releases --app polls lists them."
    )


@pytest.mark.parametrize("content", ["", " ", "'\"$\\\n\t", "\U0001f40d", "x" * 65536, "line\n"])
def test_config_vars_survive_whatever_they_hold(state: State, content: str) -> None:
    app = state.create_app("polls")
    state.add_release(app, lambda _: new(A=content))
    current = state.current(app)
    assert current is not None
    assert current.config_vars["A"] == content


def test_counts_are_set_together_or_not_at_all(state: State) -> None:
    app = state.create_app("polls")
    wanted = [
        WantedCount(process_type=WEB, quantity=2),
        WantedCount(process_type=WORKER, quantity=0),
    ]
    assert list(state.scale(app, lambda _: wanted)) == [WEB, WORKER]
    with pytest.raises(sqlite3.IntegrityError):
        state.scale(
            app,
            lambda _: [
                WantedCount(process_type=WEB, quantity=5),
                WantedCount(process_type=WORKER, quantity=-1),
            ],
        )
    assert state.formation(app)[WEB].quantity == 2
    state.scale(app, lambda now: [replace(now[WEB], quantity=now[WEB].quantity + 1, size="large")])
    assert state.formation(app)[WEB] == WantedCount(process_type=WEB, quantity=3, size="large")


def test_what_sqlite_has_rolled_back_by_itself_is_told_as_what_it_was(state: State) -> None:
    """As it does when the disk is full."""
    state._database.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON main.releases"
        " BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END"
    )
    app = state.create_app("polls")
    with pytest.raises(sqlite3.IntegrityError, match="the disk is full"):
        state.add_release(app, lambda _: new())
    assert state.releases(app) == ()
    assert not state._database.in_transaction


def scale_an_app_that_is_not_there(connection: sqlite3.Connection) -> None:
    """Which is noticed at the end of the change."""
    with database.changing(connection):
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute(
            "INSERT INTO formation (app, process_type, quantity, size) VALUES (99, 'web', 1, '')"
        )


def test_a_change_that_cannot_be_committed_does_not_stay_open(state: State) -> None:
    connection = state._database
    with pytest.raises(sqlite3.IntegrityError):
        scale_an_app_that_is_not_there(connection)
    assert not connection.in_transaction
    assert state.create_app("polls").name == "polls"


def test_only_the_owner_may_read_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened_state(tmp_path) as state:
            state.create_app("polls")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}


def add_many(directory: Path, times: int) -> None:
    with opened_state(directory) as state:
        app = state.app("polls")
        for _ in range(times):
            state.add_release(
                app,
                lambda now: new(n=str(int(now.config_vars["n"]) + 1 if now else 1)),
            )


def test_changes_at_the_same_time_all_happen(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        state.create_app("polls")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add_many, args=(tmp_path, 25)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    with opened_state(tmp_path) as state:
        found = state.releases(state.app("polls"))
    assert [release.version for release in found] == list(range(100, 0, -1))
    assert found[0].config_vars["n"] == "100"


def test_a_file_that_somebody_else_holds(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        state.create_app("polls")
        other = database.open_database(tmp_path / FILE)
        other.execute("BEGIN IMMEDIATE")
        state._database.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(StateBusyError) as caught, database.explained(tmp_path / FILE):
            state.create_app("shop")
        other.close()
    assert caught.value.brief == "Another slug-run is changing the same apps"
    assert "Nothing was changed. Try again when it has ended." in caught.value.text()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else entirely" * 100)
    with pytest.raises(StateDamagedError) as caught, opened_state(tmp_path):
        pass
    assert "which remembers your apps, is damaged\n\nSQLite says: " in caught.value.text()
    assert caught.value.exit_code == 65


def test_a_file_of_a_newer_slugkit(tmp_path: Path) -> None:
    with opened_state(tmp_path):
        pass
    with sqlite3.connect(tmp_path / FILE) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StateTooNewError) as caught, opened_state(tmp_path):
        pass
    assert caught.value.details == f"Its schema is 99; this one knows up to {database.SCHEMA}."


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(StateFileError) as caught, opened_state(tmp_path / "gone"):
        pass
    assert "No such file or directory" in caught.value.text()
    (tmp_path / FILE).symlink_to("/etc/passwd")
    with pytest.raises(StateFileError, match="cannot use"), opened_state(tmp_path):
        pass


def test_whether_an_app_is_kept_running_is_remembered_and_forgotten_with_it(state: State) -> None:
    polls = state.create_app("polls")
    assert state.supervision(polls) is None
    state.set_supervision(polls, {"port": 5000})
    state.set_supervision(polls, {"port": 5001})
    assert state.supervision(polls) == {"port": 5001}
    state.set_supervision(polls, None)
    assert state.supervision(polls) is None
    state.set_supervision(polls, {})
    state.destroy_app(polls)
    assert state.supervision(state.create_app("polls")) is None


def test_who_opens_the_state_twice_still_sees_what_others_change(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from runner.state.state import opened_state\n"
        "with opened_state(Path(sys.argv[1])) as state: state.create_app(sys.argv[2])\n"
    )
    with opened_state(tmp_path) as state:
        state.create_app("one")
        with opened_state(tmp_path) as again:
            assert len(again.apps()) == 1
        # The last one of another process must know that somebody is here.
        for name in ("three", "four"):
            subprocess.run((sys.executable, "-c", script, str(tmp_path), name), check=True)
            assert name in {app.name for app in state.apps()}
        state.create_app("five")
    with opened_state(tmp_path) as state:
        assert len(state.apps()) == 4
