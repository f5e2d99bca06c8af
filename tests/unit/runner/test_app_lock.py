"""app_lock: one at a time, whoever waits is told who it is, and nobody dead holds it."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.values import value
from runner.app_lock import AppGoneError, AppLockedError, app_dir, app_lock, forget_app_dir
from runner.state.state import State, opened_state
from runner.state.values import App
from runner.who import determine_who
from slugc.privileges import DataDirError


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with opened_state(tmp_path) as opened:
        yield opened


@pytest.fixture
def polls(state: State) -> App:
    return state.create_app("polls")


@value
class Holder:
    """A process that holds the lock until it is let go."""

    pid: int
    let_go: Callable[[], None]


@pytest.fixture
def holder(tmp_path: Path, polls: App) -> Iterator[Holder]:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        with (
            opened_state(tmp_path) as state,
            app_lock(state, tmp_path, polls, doing="a deploy", who="alice"),
        ):
            theirs.send(b"held")
            theirs.recv(1)
        os._exit(0)
    theirs.close()
    assert ours.recv(4) == b"held"
    yield Holder(pid=pid, let_go=ours.close)
    ours.close()
    os.waitpid(pid, 0)


def test_who_waits_too_long_is_told_by_whom_and_since_when(
    state: State, polls: App, tmp_path: Path, holder: Holder
) -> None:
    with (
        pytest.raises(AppLockedError) as caught,
        app_lock(state, tmp_path, polls, doing="x", who="me", patience=0.05),
    ):
        pytest.fail("held twice")
    assert caught.value.exit_code is ExitCode.TRY_AGAIN
    assert caught.value.text() == (
        "polls is being changed by somebody else\n\n"
        f"A deploy by alice has held it for 0 seconds (process {holder.pid}).\n\n"
        "Waited 0.05 seconds; nothing was changed. Try again later."
    )


def test_who_waits_gets_it_when_the_holder_leaves_and_is_told_meanwhile(
    state: State,
    polls: App,
    tmp_path: Path,
    holder: Holder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runner.app_lock._WAITING_IS_TOLD_AFTER", 0.0)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        holder.let_go()

    with app_lock(state, tmp_path, polls, doing="x", who="me", patience=20, tell=tell) as app:
        assert app == polls
    assert told == [
        f"Waiting for polls: A deploy by alice has held it for 0 seconds (process {holder.pid})."
    ]


def test_a_holder_that_was_killed_holds_it_no_more(
    state: State, polls: App, tmp_path: Path, holder: Holder
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    with app_lock(state, tmp_path, polls, doing="x", who="me", patience=20):
        pass


def test_apps_do_not_wait_for_each_other(state: State, tmp_path: Path, holder: Holder) -> None:
    assert holder.pid
    shop = state.create_app("shop")
    with app_lock(state, tmp_path, shop, doing="x", who="me", patience=0):
        pass


def test_a_renamed_app_is_given_under_its_new_name(
    state: State, polls: App, tmp_path: Path
) -> None:
    state.rename_app(polls, "shop")
    with app_lock(state, tmp_path, polls, doing="x", who="me") as app:
        assert app.name == "shop"


def test_an_app_that_is_gone_leaves_no_files(state: State, polls: App, tmp_path: Path) -> None:
    state.destroy_app(polls)
    with (
        pytest.raises(AppGoneError) as caught,
        app_lock(state, tmp_path, polls, doing="x", who="me"),
    ):
        pytest.fail("locked")
    assert caught.value.text() == (
        "polls was destroyed meanwhile\n\nslug-run apps lists the apps there are."
    )
    assert list((tmp_path / "apps").iterdir()) == []


def test_the_files_of_an_app_are_private(state: State, polls: App, tmp_path: Path) -> None:
    with app_lock(state, tmp_path, polls, doing="x", who="me"):
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    directory = tmp_path / "apps" / "1"
    assert (modes[directory.parent], modes[directory]) == (0o700, 0o700)
    assert modes[directory / "lock"] == 0o600
    forget_app_dir(tmp_path, polls)
    assert not directory.exists()


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff"])
def test_a_note_that_cannot_be_read_says_so(
    note: bytes, state: State, polls: App, tmp_path: Path, holder: Holder
) -> None:
    assert holder.pid
    (tmp_path / "apps" / "1" / "lock").write_bytes(note)
    with (
        pytest.raises(AppLockedError, match="somebody else") as caught,
        app_lock(state, tmp_path, polls, doing="x", who="me", patience=0),
    ):
        pytest.fail("held twice")
    assert caught.value.details == "Who it is cannot be seen."


def test_a_place_that_cannot_be_used_has_words(state: State, polls: App, tmp_path: Path) -> None:
    (tmp_path / "apps").write_text("a file")
    with pytest.raises(DataDirError, match="cannot use"):
        app_dir(tmp_path, polls)


@pytest.mark.parametrize(
    ("env", "who"),
    [
        ({"SUDO_USER": "alice", "LOGNAME": "root"}, "alice"),
        ({"LOGNAME": "alice", "USER": "bob"}, "alice"),
        ({"LOGNAME": " ", "USER": "bob"}, "bob"),
        ({"USER": "b\nob\x1b[0m"}, "b\\nob\\x1b[0m"),
        ({"USER": "x" * 99}, "x" * 63 + "…"),
    ],
)
def test_who_is_the_person_behind_sudo(env: dict[str, str], who: str) -> None:
    assert determine_who(env) == who


def test_who_without_an_environment_is_the_users_name_or_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert determine_who({})
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert determine_who({}) == "uid 4000000000"
