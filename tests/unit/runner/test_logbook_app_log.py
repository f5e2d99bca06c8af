"""AppLog: what containers write becomes lines of the log, whatever it is and whatever fails."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from buildpack.support.errors import ExitCode
from runner.logbook import app_log
from runner.logbook.app_log import AppLog, LogDirectoryError
from runner.logbook.batches import Batch
from runner.logbook.intake import whole_lines
from runner.logbook.loss import shown_time
from runner.logbook.reader import Filter, Line, LogReader
from runner.logbook.spool import MOST, Spool, SpoolError
from runner.logbook.store import Bounds, LogStore
from runner.logs import CUT_MARK, MAX_LINE

NOW = 1_763_805_601.123456


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(directory: Path) -> Iterator[AppLog]:
    with AppLog(directory, clock=lambda: NOW) as opened:
        yield opened


class Container:
    """Something that writes, and its key."""

    def __init__(self, log: AppLog, *, key: str = "k1", name: str = "web.1") -> None:
        self.log, self.key = log, key
        self.reader, self.writer = os.pipe()
        log.open_container(key, name, self.reader)

    def says(self, *chunks: bytes) -> None:
        for chunk in chunks:
            os.write(self.writer, chunk)
            self.log.attend(self.key)

    def ends(self) -> None:
        os.close(self.writer)
        while self.log.attend(self.key):
            pass
        self.log.close_container(self.key)
        os.close(self.reader)


def lines(directory: Path) -> list[Line]:
    reader = LogReader(directory, Filter().wants)
    reader.start_at_last(1_000_000)
    found = list(reader.lines())
    reader.close()
    return found


def texts(directory: Path) -> list[str]:
    return [line.text for line in lines(directory)]


def test_lines_carry_time_source_and_name(log: AppLog, directory: Path) -> None:
    log.system("api", "Release v1 created by me")
    container = Container(log)
    log.system("web.1", "State changed from starting to up")
    container.says(b"hello\n")
    at = "2025-11-22T10:00:01.123456+00:00"
    assert lines(directory) == [
        Line(time=at, source="slug-run", name="api", text="Release v1 created by me"),
        Line(time=at, source="slug-run", name="web.1", text="State changed from starting to up"),
        Line(time=at, source="app", name="web.1", text="hello"),
    ]
    container.ends()


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a", b"b\nc"), ["ab", "c"]),
        ((b"a\r\nb\r\n",), ["a", "b"]),
        ((b"a\r", b"\nb\n"), ["a", "b"]),
        ((b"10%\r20%\r", b"30%\n"), ["10%", "20%", "30%"]),
        ((b"10%\r", b"20%\r"), ["10%", "20%"]),
        ((b"\n\n",), ["", ""]),
        ((b"\xff\xfe ok\n",), ["\ufffd\ufffd ok"]),
        ((b"\xc3", b"\xa9\n"), ["é"]),
        ((b"\x00\x01\x1b[2J\n",), ["\x00\x01\x1b[2J"]),
        ((), []),
    ],
)
def test_lines_are_the_same_however_they_arrive(
    chunks: tuple[bytes, ...], expected: list[str], log: AppLog, directory: Path
) -> None:
    container = Container(log)
    container.says(*chunks)
    container.ends()
    assert texts(directory) == expected


def test_a_line_is_in_the_log_as_soon_as_it_is_whole(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"one\ntw")
    assert texts(directory) == ["one"]
    container.says(b"o\n")
    assert texts(directory) == ["one", "two"]
    container.ends()


def test_a_long_line_is_cut_and_marked_and_nothing_is_lost(log: AppLog, directory: Path) -> None:
    container = Container(log)
    written = ("é" * 100_000 + "\nshort\n" + "y" * 40_000 + "\n").encode()
    for at in range(0, len(written), 5000):
        container.says(written[at : at + 5000])
    container.ends()
    found = texts(directory)
    assert all(len(text.removesuffix(CUT_MARK).encode()) <= MAX_LINE for text in found)
    assert "\ufffd" not in "".join(found)
    whole = "".join(t.removesuffix(CUT_MARK) if t.endswith(CUT_MARK) else t + "\n" for t in found)
    assert whole.encode() == written


def test_binary_without_line_ends_is_logged_while_it_comes(log: AppLog, directory: Path) -> None:
    container = Container(log)
    for _ in range(100):
        container.says(b"\x00\xff" * 5000)
    assert sum(len(text.removesuffix(CUT_MARK)) for text in texts(directory)) > 900_000
    assert sum(each.stat().st_size for each in (directory / "spool").rglob("*")) < 2_000_000
    container.ends()


def test_what_looks_like_our_own_format_is_only_text(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"real\n")
    copied = (directory / "00000001.log").read_bytes()
    harmless = copied.replace(copied[15:23], b"abcdef01")  # it cannot know the token
    container.says(harmless)
    container.says(b"last\n")
    container.ends()
    found = texts(directory)
    assert found[0] == "real"
    assert found[-1] == "last"
    assert len(found) == 2 + harmless.count(b"\n")


def test_files_are_nobody_elses(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"secret")
    for path in directory.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert any(path.read_bytes() == b"secret" for path in directory.rglob("0*0"))
    container.ends()
    assert list((directory / "spool").iterdir()) == []


def test_the_log_is_bounded(directory: Path) -> None:
    with AppLog(directory, bounds=Bounds(files=3, file_size=20_000)) as log:
        container = Container(log)
        for number in range(2000):
            container.says(b"line %d %s\n" % (number, b"x" * 90))
        container.ends()
    files = sorted(directory.glob("*.log"))
    assert len(files) == 3
    assert all(each.stat().st_size < 21_000 for each in files)
    assert texts(directory)[-1].startswith("line 1999 ")


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


def test_a_key_that_is_used_again_is_another_container(log: AppLog, directory: Path) -> None:
    for text in (b"first\n", b"second, longer\n"):
        container = Container(log)
        container.says(text)
        container.ends()
    assert texts(directory) == ["first", "second, longer"]


def test_whom_a_container_leaves_behind_is_not_waited_for(log: AppLog, directory: Path) -> None:
    container = Container(log)
    os.write(container.writer, b"before\nno end")
    log.close_container("k1")  # the other end is still open
    assert texts(directory) == ["before", "no end"]


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


def test_the_clock_may_say_anything(directory: Path) -> None:
    moments = iter([NOW] * 2 + [NOW - 86_400] + [NOW + 10 * 365 * 86_400] + [-5.0] + [1e15])
    with AppLog(directory, clock=lambda: next(moments)) as log:
        for number in range(5):
            log.system("api", f"note {number}")
    assert texts(directory) == [f"note {number}" for number in range(5)]
    assert [line.time[:4] for line in lines(directory)] == ["2025", "2025", "2035", "1970", "9999"]
    assert shown_time(10**30).startswith("9999-12-31")


def test_where_splice_is_refused_it_is_read_and_written(
    log: AppLog, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EINVAL, "no splice here")

    monkeypatch.setattr(os, "splice", refuse)
    container = Container(log)
    container.says(b"one\n", b"two\n")
    container.ends()
    assert texts(directory) == ["one", "two"]


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


def test_a_log_that_cannot_be_written_at_all(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("not a directory")
    with pytest.raises(LogDirectoryError) as caught:
        AppLog(tmp_path / "log")
    assert caught.value.exit_code is ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"slug-run cannot write the log in {tmp_path / 'log'}\n\nFile exists\n\n"
        "Make room, or allow writing there; SLUGKIT_HOME chooses another place."
    )


def test_a_name_that_cannot_be_a_file_name(log: AppLog, tmp_path: Path) -> None:
    with pytest.raises(SpoolError) as caught:
        log.open_container("../k", "web.1", 0)
    assert caught.value.text() == "'../k' cannot be the key or the name of a container"


@pytest.mark.parametrize(
    ("chunk", "to_the_end", "expected"),
    [
        (b"", False, (0, False)),
        (b"abc", False, (0, False)),
        (b"abc", True, (3, False)),
        (b"abc\nde", False, (4, False)),
        (b"abc\r", False, (0, False)),
        (b"abc\r", True, (4, False)),
        (b"abc\rd", False, (4, False)),
        (b"x" * MAX_LINE, False, (0, False)),
        (b"x" * (MAX_LINE + 1), False, (MAX_LINE, True)),
    ],
)
def test_how_much_can_be_logged(chunk: bytes, to_the_end: bool, expected: object) -> None:
    assert whole_lines(chunk, to_the_end=to_the_end) == expected
