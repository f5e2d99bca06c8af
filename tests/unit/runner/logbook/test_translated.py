"""What is put into words of ours: every line once, whoever is killed and whatever is full."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.logbook.app_log import AppLog
from runner.logbook.batches import MOST_PAYLOAD, Batch
from runner.logbook.spool import Spool
from runner.logbook.store import LogStore
from runner.logbook.translated import ENOUGH, LONGEST, Translation
from tests.unit.runner.logbook.containers import lines

KEY = "switch-1-2"


class Words:
    """Translates by shouting; knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, line: bytes) -> bytes:
        self.asked.append(line)
        return b"" if line == b"silent" else line.upper() + b"\n"

    def make(self) -> Callable[[bytes], bytes]:
        return self


def opened(directory: Path, words: Words) -> AppLog:
    return AppLog(directory, translators={"router": words.make})


def logged(directory: Path) -> list[tuple[str, str, str]]:
    return [(line.source, line.name, line.text) for line in lines(directory)]


def test_lines_are_ours_and_silent_ones_are_left_out(tmp_path: Path) -> None:
    words, (reader, writer) = Words(), os.pipe()
    with opened(tmp_path / "log", words) as log:
        log.open_container(KEY, "router", reader)
        os.write(writer, b"one\nsilent\ntwo\nhal")
        log.attend(KEY)
        os.write(writer, b"f\n")
        log.attend(KEY)
        log.close_container(KEY)
    shown = [("slug-run", "router", text) for text in ("ONE", "TWO", "HALF")]
    assert logged(tmp_path / "log") == shown
    assert words.asked == [b"one", b"silent", b"two", b"half"]
    os.close(reader)
    os.close(writer)


def test_containers_beside_it_are_logged_as_ever(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with opened(tmp_path / "log", Words()) as log:
        log.open_container("k", "web.1", reader)
        os.write(writer, b"one\n")
        log.attend("k")
    assert logged(tmp_path / "log") == [("app", "web.1", "one")]
    os.close(reader)
    os.close(writer)


def test_a_successor_waits_until_it_knows_what_the_words_need(tmp_path: Path) -> None:
    before, after, (reader, writer) = Words(), Words(), os.pipe()
    log = opened(tmp_path / "log", before)
    log.open_container(KEY, "router", reader)
    os.write(writer, b"one\ntwo\nthr")
    log.attend(KEY)
    log.close()  # as a kill does, the spool keeps "thr"
    os.write(writer, b"ee\n")
    with opened(tmp_path / "log", after) as successor:
        assert successor.recover() == (KEY,)
        assert after.asked == []
        successor.open_container(KEY, "router", reader)
        successor.attend(KEY)
        assert successor.settle()
    assert [text for _, _, text in logged(tmp_path / "log")] == ["ONE", "TWO", "THREE"]
    assert after.asked == [b"three"]
    os.close(reader)
    os.close(writer)


def test_what_a_killed_one_had_only_in_its_spool_is_logged_when_it_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    with monkeypatch.context() as context:
        context.setattr(LogStore, "append", refusing)
        log = opened(tmp_path / "log", Words())
        log.open_container(KEY, "router", reader)
        os.write(writer, b"one\n")
        log.attend(KEY)
        log.close()
    with opened(tmp_path / "log", Words()) as successor:
        successor.recover()
        successor.close_container(KEY)  # its writer is gone as well
    assert [text for _, _, text in logged(tmp_path / "log")] == ["ONE"]
    os.close(reader)
    os.close(writer)


def refusing(_store: LogStore, _batch: Batch) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_makes_no_line_count_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, (reader, writer) = Words(), os.pipe()
    with opened(tmp_path / "log", words) as log:
        log.open_container(KEY, "router", reader)
        with monkeypatch.context() as context:
            context.setattr(LogStore, "append", refusing)
            os.write(writer, b"one\n")
            log.attend(KEY)
            assert not log.settle()
        assert log.settle()
    assert [text for _, _, text in logged(tmp_path / "log")] == ["ONE"]
    assert words.asked == [b"one"]
    os.close(reader)
    os.close(writer)


class Kept(Spool):
    """A spool that holds what it was given."""

    def __init__(self, data: bytes) -> None:
        super().__init__(Path("router~k~0"))
        self._data, self.end = data, len(data)

    def read(self, size: int) -> bytes:
        return self._data[self.logged : self.logged + size]


def pieces(data: bytes, words: Words) -> list[bytes]:
    spool, found = Kept(data), []
    translation = Translation(words)
    while spool.rest:
        size, payload = translation.next(spool, to_the_end=True)
        spool.logged += size
        found.append(payload)
    return found


def test_batches_stay_within_their_limit() -> None:
    data = b"".join(b"%d " % number * 300 + b"\n" for number in range(500))
    found = pieces(data, Words())
    assert b"".join(found) == data
    assert max(map(len, found)) <= MOST_PAYLOAD
    assert len(found) > 3


def test_a_line_too_long_for_a_batch_is_cut_to_its_end() -> None:
    found = pieces(b"x" * (MOST_PAYLOAD * 2) + b"\nnext\n", Words())
    assert len(found[0]) == ENOUGH
    assert found[-1].endswith(b"NEXT\n")


def test_a_line_without_end_does_not_stop_the_others() -> None:
    words = Words()
    found = pieces(b"x" * (LONGEST + 5) + b"\nnext\n", words)
    assert [len(each) for each in words.asked] == [LONGEST, 5, 4]
    assert found[-1].endswith(b"NEXT\n")


def test_half_a_line_waits_unless_it_is_the_last() -> None:
    translation, spool = Translation(Words()), Kept(b"half")
    assert translation.next(spool, to_the_end=False) == (0, b"")
    assert translation.next(spool, to_the_end=True) == (4, b"HALF\n")
