"""AppLog in the hands of several processes, one after the other or at once, and after damage."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from runner.logbook.app_log import AppLog
from runner.logbook.store import Bounds
from tests.unit.runner.logbook.containers import Container, texts


def test_a_successor_goes_on_in_the_middle_of_a_line(directory: Path) -> None:
    first = AppLog(directory)
    container = Container(first)
    container.says(b"one\ntwo and")
    first.close()
    os.write(container.writer, b" a half\nthree\n")
    with AppLog(directory) as second:
        assert second.recover() == ("k1",)
        second.open_container("k1", "web.1", container.reader)
        container.log = second
        container.ends()
        assert second.recover() == ()
    assert texts(directory) == ["one", "two and a half", "three"]


def test_containers_that_are_gone_are_closed_with_all_they_said(directory: Path) -> None:
    first = AppLog(directory)
    container = Container(first)
    container.says(b"whole\nno end")
    first.close()
    with AppLog(directory) as second:
        for key in second.recover():
            second.close_container(key)
    assert texts(directory) == ["whole", "no end"]
    assert list((directory / "spool").iterdir()) == []


def test_the_containers_of_a_living_process_are_left_alone(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"half")
    with AppLog(directory) as other:
        assert other.recover() == ()
        other.system("api", "Release v2 created by me")
    container.says(b" whole\n")
    container.ends()
    assert texts(directory) == ["Release v2 created by me", "half whole"]


def test_several_writers_keep_their_lines_apart(directory: Path) -> None:
    bounds = Bounds(files=100, file_size=1000)
    logs = [AppLog(directory, bounds=bounds) for _ in range(3)]
    for number in range(60):
        logs[number % 3].system("api", f"note {number}")
    assert texts(directory) == [f"note {number}" for number in range(60)]
    for each in logs:
        each.close()


def test_a_writer_that_was_stopped_holds_nobody_up(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"one\n")
    with (directory / "lock").open() as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        container.says(b"two\n")
        log.system("web.1", "State changed from up to crashed")
        assert not log.settle()
    assert log.settle()
    assert texts(directory) == ["one", "two", "State changed from up to crashed"]
    container.ends()


def test_a_file_that_is_none_of_ours_is_left_behind(directory: Path) -> None:
    with AppLog(directory) as log:
        log.system("api", "one")
    (directory / "00000002.log").write_bytes(b"\x00" * 500)  # as after a power cut
    with AppLog(directory) as log:
        log.system("api", "two")
    assert texts(directory) == ["one", "two"]
    assert (directory / "00000003.log").exists()


def test_a_damaged_batch_is_passed_over(directory: Path) -> None:
    with AppLog(directory) as log:
        for number in range(5):
            log.system("api", f"note {number}")
    path = directory / "00000001.log"
    data = bytearray(path.read_bytes())
    at = data.index(b"note 2")
    data[at - 20 : at + 3] = bytes(23)
    path.write_bytes(data)
    with AppLog(directory) as log:
        log.system("api", "after")
    assert texts(directory) == ["note 0", "note 1", "note 3", "note 4", "after"]
