"""SIGKILL of who writes the log, at random moments under load: every line is there, and once.

SLUGKIT_KILLS says how many times (15; 200 by hand), SLUGKIT_SEED which moments.
"""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from runner.logbook import spool
from runner.logbook.app_log import AppLog
from runner.logbook.reader import Filter, Line, LogReader
from runner.logbook.store import Bounds
from runner.logs import CUT_MARK, MAX_LINE

KILLS = int(os.environ.get("SLUGKIT_KILLS", "15"))
SEED = int(os.environ.get("SLUGKIT_SEED", "1"))
SMALL = Bounds(files=100_000, file_size=256 * 1024)  # many rotations, and nothing goes
NAMES = {"k1": "web.1", "k2": "worker.1"}


def written_by(name: str) -> Iterator[str]:
    """The lines of a container, the same at each call; a few need a batch of their own."""
    lengths = random.Random(name)
    number = 0
    while True:
        number += 1
        length = lengths.randrange(120) if number % 500 else lengths.randrange(5 * MAX_LINE)
        yield f"{name} {number} " + "x" * length


def in_child(task: Callable[[], None]) -> int:
    """Run ``task`` in a process of its own."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            task()
            code = 0
        finally:
            os._exit(code)
    return pid


def produce(name: str, pipe: int, *, until: Path, count: Path) -> None:
    """Write lines in pieces that end anywhere, until told to stop; then say how many it were."""
    pieces, done, rest = random.Random(SEED), 0, b""
    for line in written_by(name):
        rest += line.encode() + b"\n"
        done += 1
        if done % 40 == 0:
            rest = rest[os.write(pipe, rest[: pieces.randrange(1, len(rest))]) :]
            time.sleep(0.001)
            if until.exists():
                break
    while rest:
        rest = rest[os.write(pipe, rest) :]
    count.write_text(str(done))


def supervise(directory: Path, pipes: Mapping[str, int]) -> None:
    """What a supervisor does, from its start to the end of its containers."""
    log = AppLog(directory, bounds=SMALL)
    log.recover()
    poller = select.poll()
    for key, pipe in pipes.items():
        log.open_container(key, NAMES[key], pipe)
        poller.register(pipe, select.POLLIN)
    of = {pipe: key for key, pipe in pipes.items()}
    while of:
        for pipe, _ in poller.poll():
            if not log.attend(of[pipe]):
                poller.unregister(pipe)
                log.close_container(of.pop(pipe))


def whole(texts: list[str]) -> list[str]:
    """Lines as they were before the log cut the long ones."""
    found, before = [], ""
    for text in texts:
        if text.endswith(CUT_MARK):
            before += text.removesuffix(CUT_MARK)
        else:
            found.append(before + text)
            before = ""
    return found


def test_no_line_is_lost_or_doubled_however_often_the_writer_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "ROTATE", 100_000)
    moments = random.Random(SEED)
    directory, until = tmp_path / "log", tmp_path / "until"
    pipes, producers = {}, []
    for key, name in NAMES.items():
        reader, writer = os.pipe()
        pipes[key] = reader
        count = tmp_path / name

        def task(name: str = name, pipe: int = writer, count: Path = count) -> None:
            for other in pipes.values():
                os.close(other)
            produce(name, pipe, until=until, count=count)

        producers.append(in_child(task))
        os.close(writer)
    follower = LogReader(directory, Filter().wants)
    seen: list[Line] = []
    notes = AppLog(directory, bounds=SMALL)
    for number in range(KILLS):
        pid = in_child(lambda: supervise(directory, pipes))
        for each in range(3):
            time.sleep(moments.uniform(0, 0.02))
            notes.system("api", f"note {number * 3 + each}")
            seen += follower.lines()
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL, "it ended before it was killed"
    until.touch()
    last = in_child(lambda: supervise(directory, pipes))
    for pid in (*producers, last):
        assert os.waitpid(pid, 0)[1] == 0
    seen += follower.lines()

    again = LogReader(directory, Filter().wants)
    again.start_at_last(10**9)
    assert list(again.lines()) == seen
    for name in NAMES.values():
        found = whole([line.text for line in seen if line.name == name])
        assert len(found) == int((tmp_path / name).read_text())
        expected = written_by(name)
        for number, text in enumerate(found):
            assert text == next(expected), f"line {number}"
    told = [line.text for line in seen if line.name == "api"]
    assert told == [f"note {number}" for number in range(3 * KILLS)]
    assert list((directory / "spool").iterdir()) == []
    assert len(list(directory.glob("*.log"))) > 3
    again.close()
    follower.close()
    notes.close()
    for pipe in pipes.values():
        os.close(pipe)
