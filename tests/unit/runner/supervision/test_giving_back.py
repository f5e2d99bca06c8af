"""``scale`` where there is no room to write it down."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.app_option import OpenedApp
from runner.state.database import cannot_be_written
from runner.state.errors import StateBusyError, StateFileError
from runner.state.state import opened_state
from runner.state.values import WantedCount
from runner.supervision import giving_back
from runner.supervision.giving_back import ScaleNotNotedError, scale_in_what_ends, surplus
from slugc.procfile import ProcessType

WORDS = """\
idle.1, idle.2 were stopped, and that could not be written down

It cannot be written: the disk is full.
The next deploy, scale, restart or change of config vars starts what was wanted
before.

Make room, then scale polls once more."""
NAMES = ("idle.1", "idle.2")


def counts(**quantities: int) -> Sequence[WantedCount]:
    return [
        WantedCount(process_type=ProcessType(name), quantity=quantity, size="")
        for name, quantity in quantities.items()
    ]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenedApp]:
    with opened_state(tmp_path) as state:
        yield OpenedApp(app=state.create_app("polls"), state=state, data_dir=tmp_path, who="me")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the supervisor is asked for."""
    found: list[object] = []
    monkeypatch.setattr(giving_back, "ask", lambda *words, **_: found.append(words[2]))
    return found


def test_those_beyond_the_count_are_surplus_and_those_of_no_type_that_is_wanted() -> None:
    containers = [{"name": name} for name in ("web.1", "web.2", "web.10", "idle.1", "old.1")]
    assert surplus(containers, counts(web=2, idle=0)) == ["web.10", "idle.1", "old.1"]
    assert surplus(containers[:2], counts(web=2)) == []
    assert surplus(containers[1:2] * 2, counts(web=1)) == ["web.2"]


def test_what_is_wanted_is_written_down_once_the_others_have_ended(
    opened: OpenedApp, asked: list[object]
) -> None:
    after = scale_in_what_ends(opened, NAMES, lambda _: counts(idle=0))
    assert asked == [{"do": "end", "names": ["idle.1", "idle.2"]}]
    assert opened.state.formation(opened.app) == after
    assert [each.quantity for each in after.values()] == [0]


def test_what_cannot_be_written_down_even_then_is_told(
    opened: OpenedApp, asked: list[object]
) -> None:
    def full(_: object) -> Sequence[WantedCount]:
        raise StateFileError(Path("state.db"), "It cannot be written: the disk is full.")

    with pytest.raises(ScaleNotNotedError) as caught:
        scale_in_what_ends(opened, NAMES, full)
    assert len(asked) == 1
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    assert caught.value.text() == WORDS


def test_somebody_who_writes_for_too_long_is_no_reason_to_say_that_nothing_was_done(
    opened: OpenedApp, asked: list[object]
) -> None:
    def busy(_: object) -> Sequence[WantedCount]:
        raise StateBusyError(Path("state.db"), 10.0)

    with pytest.raises(ScaleNotNotedError) as caught:
        scale_in_what_ends(opened, NAMES, busy)
    assert len(asked) == 1
    assert caught.value.text() == WORDS.replace(
        "It cannot be written: the disk is full.", "state.db was in use for 10 seconds."
    ).replace("Make room", "Wait until it is free")


def test_containers_end_for_want_of_room_and_not_while_somebody_else_writes(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    one, two = (sqlite3.connect(file, isolation_level=None, timeout=0) for _ in range(2))
    one.execute("CREATE TABLE words (word TEXT)")
    one.execute("BEGIN IMMEDIATE")
    assert not cannot_be_written(refused(two, "BEGIN IMMEDIATE"))
    one.execute("ROLLBACK")
    assert not cannot_be_written(refused(two, "INSERT INTO nothing VALUES (1)"))
    two.execute("PRAGMA max_page_count = 2")
    assert cannot_be_written(refused(two, "INSERT INTO words VALUES (zeroblob(100000))"))
    two.execute("PRAGMA query_only = 1")
    assert cannot_be_written(refused(two, "INSERT INTO words VALUES ('a')"))
    for each in (one, two):
        each.close()


def refused(database: sqlite3.Connection, words: str) -> sqlite3.OperationalError:
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute(words)
    return caught.value
