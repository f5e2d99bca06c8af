"""LogReader and what `slug-run logs` prints: the last lines, filters, and following."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.logbook.app_log import AppLog
from runner.logbook.place import log_dir
from runner.logbook.reader import Filter, Line, LogReader
from runner.logbook.shown import Formatter, ReaderGoneError, follow
from runner.logbook.store import Bounds
from runner.main import main
from runner.state.state import opened_state
from slugc.privileges import data_dir
from tests.unit.runner.logbook.containers import NOW
from tests.waiting import PATIENCE

AT = "2025-11-22T10:00:01.123456+00:00"
SMALL = Bounds(files=9, file_size=500)


@pytest.fixture
def log(directory: Path) -> Iterator[AppLog]:
    with AppLog(directory, bounds=SMALL, clock=lambda: NOW) as opened:
        yield opened


@contextlib.contextmanager
def reading(directory: Path, count: int, wanted: Filter | None = None) -> Iterator[LogReader]:
    reader = LogReader(directory, (wanted or Filter()).wants)
    reader.start_at_last(count)
    yield reader
    reader.close()


def last(directory: Path, count: int, wanted: Filter | None = None) -> list[str]:
    with reading(directory, count, wanted) as reader:
        return [line.text for line in reader.lines()]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 25, 39, 40, 41, 1000])
def test_the_last_lines_across_files(count: int, log: AppLog, directory: Path) -> None:
    notes = []
    for number in range(0, 40, 2):
        notes += [f"note {number}", f"note {number + 1}"]
        log.system("api", f"note {number}\nnote {number + 1}")  # two lines in one batch
    assert len(list(directory.glob("*.log"))) > 1
    assert last(directory, count) == (notes[-count:] if count else [])


def test_half_a_batch_at_the_end_is_not_shown(log: AppLog, directory: Path) -> None:
    log.system("api", "one")
    log.system("api", "two")
    path = directory / "00000001.log"
    whole = path.read_bytes()
    for size in range(whole.index(b"one\n") + 24, len(whole)):  # from the end of the first
        path.write_bytes(whole[:size])
        assert last(directory, 5) == ["one"]


def test_filters(log: AppLog, directory: Path) -> None:
    for name in ("web.1", "web.2", "webhooks.1", "run.17", "router", "api"):
        log.system(name, f"about {name}")
    reader, writer = os.pipe()
    log.open_container("k", "web.1", reader)
    os.write(writer, b"hello\n")
    log.attend("k")
    assert last(directory, 9, Filter(process_types=("web",))) == [
        "about web.1",
        "about web.2",
        "hello",
    ]
    assert last(directory, 9, Filter(process_types=("router",))) == ["about router"]
    assert last(directory, 9, Filter(names=("web.1",))) == ["about web.1", "hello"]
    assert last(directory, 9, Filter(source="app")) == ["hello"]
    assert last(directory, 9, Filter(names=("web.1",), source="slug-run")) == ["about web.1"]
    assert last(directory, 1, Filter(names=("run.17",))) == ["about run.17"]
    assert last(directory, 9, Filter(names=("web.9",))) == []
    several = Filter(names=("web.2", "router"))
    assert last(directory, 9, several) == ["about web.2", "about router"]
    several = Filter(process_types=("router", "run"))
    assert last(directory, 9, several) == ["about run.17", "about router"]


def test_what_is_added_is_given_once_across_rotation(log: AppLog, directory: Path) -> None:
    with reading(directory, 10) as reader:
        assert list(reader.lines()) == []
        for number in range(100):
            log.system("api", f"note {number}")
            assert [line.text for line in reader.lines()] == [f"note {number}"]
        assert not reader.missed


def test_who_comes_too_late_is_told_how_much_is_gone(log: AppLog, directory: Path) -> None:
    log.system("api", "first")
    with reading(directory, 10) as reader:
        assert [line.text for line in reader.lines()] == ["first"]
        for number in range(300):
            log.system("api", f"note {number}")
        found = [line.text for line in reader.lines()]
        oldest = min(int(path.stem) for path in directory.glob("*.log"))
        assert reader.missed == oldest - 2
        assert found[-1] == "note 299"


def test_a_line_as_heroku_writes_it() -> None:
    line = Line(time=AT, source="app", name="web.1", text="h\x1b[31mé\x1b[2J\x07")
    plain = Formatter(color=False, as_json=False)
    assert plain(line).decode() == f"{AT} app[web.1]: hé\\x07\n"
    in_json = Formatter(color=True, as_json=True)(line)
    assert json.loads(in_json) == {
        "time": AT, "source": "app", "name": "web.1", "text": "h\x1b[31mé\x1b[2J\x07",
    }  # fmt: skip
    assert b"\x1b" not in in_json


def test_each_name_has_its_colour() -> None:
    colored = Formatter(color=True, as_json=False)
    shown = [
        colored(Line(time=AT, source=source, name=name, text="\x1b[31mred")).decode()
        for source, name in (("app", "web.1"), ("app", "web.2"), ("slug-run", "web.1"))
    ]
    assert shown == [
        f"\x1b[36m{AT} app[web.1]:\x1b[0m \x1b[31mred\x1b[0m\n",
        f"\x1b[33m{AT} app[web.2]:\x1b[0m \x1b[31mred\x1b[0m\n",
        f"\x1b[36m{AT} slug-run[web.1]:\x1b[0m \x1b[2mred\x1b[0m\n",
    ]


def never(files: int) -> None:
    pytest.fail(f"{files} files were missed")


def test_following_ends_with_its_reader_and_with_the_app(log: AppLog, directory: Path) -> None:
    log.system("api", "one")
    plain = Formatter(color=False, as_json=False)
    out, into = os.pipe()
    os.close(out)
    with reading(directory, 0) as reader, pytest.raises(ReaderGoneError):
        follow(reader, plain, into, missed=never)
    os.close(into)
    out, into = os.pipe()
    with reading(directory / "gone" / "log", 10) as reader:
        follow(reader, plain, into, missed=never)
    os.close(out)
    os.close(into)


# The command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "home"))
    for name in ("SLUG_RUN_APP", "HEROKU_APP", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return data_dir(os.environ)


@pytest.fixture
def polls(home: Path) -> Iterator[AppLog]:
    with opened_state(home) as state:
        place = log_dir(home, state.create_app("polls"))
    with AppLog(place, clock=lambda: NOW) as log:
        yield log


def test_logs_shows_the_last_hundred_lines(
    polls: AppLog, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(150):
        polls.system("api", f"note {number}")
    assert main(["logs", "--app", "polls"]) == 0
    shown = capfd.readouterr().out.splitlines()
    assert len(shown) == 100
    assert shown[-1] == f"{AT} slug-run[api]: note 149"
    assert main(["logs", "-n", "1", "-s", "slug-run", "-d", "api", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["text"] == "note 149"
    assert main(["logs", "-p", "web"]) == 0
    assert capfd.readouterr() == ("", "The log of polls has no such line.\n")
    assert main(["logs", "-n", "0"]) == 0
    assert capfd.readouterr() == ("", "")


def test_an_app_without_a_log_has_no_lines(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with opened_state(home) as state:
        state.create_app("polls")
    assert main(["logs"]) == 0
    assert capfd.readouterr() == ("", "The log of polls is empty.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--app", "pols"], "There is no app called 'pols'"),
        (["-s", "heroku"], "'heroku' is not one of 'app', 'slug-run'"),
        (["-n", "-1"], "-1 is not in the range"),
    ],
)
@pytest.mark.usefixtures("polls")
def test_mistakes_on_the_command_line(
    words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["logs", *words]) == ExitCode.USAGE
    assert said in capfd.readouterr().err


@contextlib.contextmanager
def tailing(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "runner.main", "logs", "-a", "polls", "-t", *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 10)[0], "nothing came"
    return process.stdout.readline().decode().rstrip("\n")


def test_tail_follows_until_ctrl_c(polls: AppLog) -> None:
    polls.system("api", "there")
    with tailing() as process:
        assert next_line(process) == f"{AT} slug-run[api]: there"
        polls.system("api", "new")
        assert next_line(process) == f"{AT} slug-run[api]: new"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err.strip()) == (130, b"")


def test_tail_ends_when_nobody_reads(polls: AppLog) -> None:
    polls.system("api", "there")
    with tailing() as process:
        next_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=PATIENCE) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_tail_ends_when_the_app_is_destroyed(polls: AppLog, home: Path) -> None:
    polls.system("api", "there")
    with tailing() as process:
        next_line(process)
        shutil.rmtree(home / "apps")
        assert process.wait(timeout=PATIENCE) == 0


def test_tail_costs_next_to_nothing_while_nothing_happens(polls: AppLog) -> None:
    polls.system("api", "there")
    with tailing() as process:
        next_line(process)
        before = processor_time(process.pid)
        time.sleep(1.5)
        assert processor_time(process.pid) - before <= 0.05  # ticks are of 10 ms


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
