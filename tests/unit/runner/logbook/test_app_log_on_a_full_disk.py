"""AppLog when there is no room: the app goes on, and what was lost is said."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from runner.logbook import app_log
from runner.logbook.app_log import AppLog
from runner.logbook.batches import Batch
from runner.logbook.spool import MOST, Spool
from runner.logbook.store import LogStore
from tests.unit.runner.logbook.containers import Container, texts


class NoRoom:
    """A full disk: ``is_full`` makes every write fail, of the log, the spools, or both."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.log = self.spool = False
        append, take = LogStore.append, Spool.take

        def no_append(store: LogStore, batch: Batch) -> None:
            if self.log:
                raise OSError(errno.ENOSPC, "full")
            append(store, batch)

        def no_take(spool: Spool, pipe: int) -> int:
            if self.spool:
                raise OSError(errno.ENOSPC, "full")
            return take(spool, pipe)

        patch.setattr(LogStore, "append", no_append)
        patch.setattr(Spool, "take", no_take)


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> NoRoom:
    return NoRoom(monkeypatch)


def test_what_a_full_disk_cost_is_counted_and_said(
    log: AppLog, directory: Path, no_room: NoRoom
) -> None:
    container = Container(log)
    container.says(b"one\n")
    no_room.log = no_room.spool = True
    container.says(b"two\n", b"three\n")
    log.system("web.1", "kept in memory")
    assert not log.settle()
    no_room.log = no_room.spool = False
    container.says(b"four\n")
    assert log.settle()
    container.ends()
    assert texts(directory) == [
        "one",
        "Error L10 (output buffer overflow): 2 lines (10 bytes) of web.1 dropped since"
        " 2025-11-22T10:00:01.123456+00:00: no room on the disk",
        "four",
        "kept in memory",
    ]


def test_lines_wait_in_the_spool_while_only_the_log_has_no_room(
    log: AppLog, directory: Path, no_room: NoRoom
) -> None:
    container = Container(log)
    no_room.log = True
    container.says(b"one\n", b"two\n")
    assert not log.settle()
    no_room.log = False
    assert log.settle()
    assert texts(directory) == ["one", "two"]
    container.ends()


def test_a_spool_does_not_grow_for_ever(log: AppLog, directory: Path, no_room: NoRoom) -> None:
    container = Container(log)
    no_room.log = True
    line = b"x" * 59_999 + b"\n"
    for _ in range(2 * MOST // len(line)):
        container.says(line)
    spooled = sum(each.stat().st_size for each in (directory / "spool").rglob("0*"))
    assert MOST <= spooled < MOST + 100_000
    no_room.log = False
    container.ends()
    assert "Error L10" in texts(directory)[-1]


def test_nothing_waits_for_room_when_a_container_ends(
    log: AppLog, directory: Path, no_room: NoRoom
) -> None:
    container = Container(log)
    no_room.log = True
    container.says(b"last words\n")
    container.ends()
    assert list((directory / "spool").iterdir()) == []
    no_room.log = False
    log.settle()
    assert texts(directory) == [
        "Error L10 (output buffer overflow): 1 line (11 bytes) of web.1 dropped since"
        " 2025-11-22T10:00:01.123456+00:00: no room on the disk"
    ]


def test_our_own_lines_are_kept_in_bounded_memory(
    log: AppLog, directory: Path, no_room: NoRoom
) -> None:
    no_room.log = True
    for number in range(app_log.MOST_WAITING + 5):
        log.system("api", f"note {number}")
    no_room.log = False
    assert log.settle()
    found = texts(directory)
    assert "5 lines (35 bytes) of slug-run dropped" in found[0]
    assert found[1:] == [f"note {number}" for number in range(5, app_log.MOST_WAITING + 5)]
