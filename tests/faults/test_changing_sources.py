"""Sources that change while they are read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from slugc.privileges import run_identity
from slugc.sources.errors import SourceChangedError
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.staging import Stager
from tests.faults.bad_sources import MIB, said, staged
from tests.integration.build_support import Outcome


class Meddler:
    """Somebody who does something to a file whenever a build begins to copy it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, act: Callable[[], None]):
        self.left, self._act = times, act
        pour = os.sendfile

        def and_meddle(out: int, reader: int, offset: None, count: int) -> int:
            if self.left and os.lseek(reader, 0, os.SEEK_CUR) == 0:
                self.left -= 1
                self._act()
            return pour(out, reader, offset, count)

        monkeypatch.setattr(os, "sendfile", and_meddle)


def _grow(path: Path) -> None:
    with path.open("a") as file:
        file.write("more")


def _rewrite(path: Path) -> None:
    """The same size, another content."""
    before = path.stat().st_mtime_ns
    path.write_text("HELLO\n")
    os.utime(path, ns=(before + 1, before + 1))


CHANGES: dict[str, Callable[[Path], None]] = {
    "grows": _grow,
    "shrinks": lambda path: os.truncate(path, 1),
    "is emptied": lambda path: os.truncate(path, 0),
    "is rewritten": _rewrite,
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_changes_once_is_read_again(
    app: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    Meddler(monkeypatch, 1, lambda: CHANGES[what](app / "app_txt"))
    copy = staged(app, open_dir) / "app_txt"
    assert copy.read_bytes() == (app / "app_txt").read_bytes() != b"hello\n"


@pytest.mark.parametrize("what", ["grows", "is rewritten"])
def test_a_file_that_changes_again_ends_the_build(
    app: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    Meddler(monkeypatch, 2, lambda: CHANGES[what](app / "app_txt"))
    with pytest.raises(SourceChangedError, match="changed during the build"):
        staged(app, open_dir)


def _to_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _to_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _to_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _replace(path: Path) -> None:
    path.with_name("new").write_text("other\n")
    path.with_name("new").rename(path)


SWAPS: dict[str, Callable[[Path], None]] = {
    "vanishes": Path.unlink,
    "becomes a link": _to_link,
    "becomes a FIFO": _to_fifo,
    "becomes a directory": _to_directory,
    "becomes another file": _replace,
}


@pytest.mark.parametrize("what", SWAPS)
def test_a_file_that_is_swapped_between_look_and_open_is_noticed(
    app: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (app / "z").write_text("so that something is left\n")
    opened, swaps = os.open, iter([SWAPS[what]])

    def open_too_late(name: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if name == "app_txt" and not flags & os.O_CREAT:
            for swap in swaps:
                swap(app / "app_txt")
        return opened(name, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", open_too_late)
    rules = IgnoreRules()
    target = open_dir / "target"
    target.mkdir()
    with pytest.raises(SourceChangedError) as caught:
        Stager(rules=rules, owner=run_identity()).copy(app, target)
    assert (caught.value.exit_code, caught.value.name) == (75, "app_txt")


def test_a_source_that_never_rests_ends_with_75(build: Callable[..., Outcome], app: Path) -> None:
    """Somebody writes to one large file all the time."""
    stop = threading.Event()
    log = app / "log"
    log.write_bytes(bytes(40 * MIB))

    def write_on() -> None:
        with log.open("ab", buffering=0) as file:
            while not stop.wait(0.0005):
                file.write(b"x" * 100)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        outcome = build(app)
    finally:
        stop.set()
        writer.join()
    assert outcome.code == 75
    assert "The source changed during the build\n\n    log\n" in said(outcome)
