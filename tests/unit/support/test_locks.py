"""Locks: held once, by who is alive, never in somebody else's file."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.locks import LockTimeoutError, is_locked, locked


def test_a_held_lock_is_waited_for_and_its_holder_named(tmp_path: Path) -> None:
    path = tmp_path / "app" / "lock"
    with locked(path), pytest.raises(LockTimeoutError) as caught, locked(path, timeout=0.05):
        pass
    assert caught.value.exit_code == ExitCode.TRY_AGAIN
    assert caught.value.text() == (
        f"Another process is using {path.parent}\n\n"
        f"The lock {path} is held by process {os.getpid()}.\n\n"
        "Waited 0.05 seconds. Try again when it has finished."
    )
    with locked(path, timeout=0.05):
        assert path.exists()


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_a_directory_that_is_taken_away_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As by who prunes: after mkdir has found it, before pathlib looks again; or before the file
    is made."""
    directory, gone, real = tmp_path / "cache", tmp_path / "gone", getattr(os, call)
    directory.mkdir()

    def late(path: Any, *args: Any, **kwargs: Any) -> Any:
        is_first = Path(path) in {directory, directory / "lock"} and not gone.exists()
        if is_first and call == "open":
            directory.rename(gone)
        try:
            return real(path, *args, **kwargs)
        finally:
            if is_first and call == "mkdir":
                directory.rename(gone)

    monkeypatch.setattr(os, call, late)
    with locked(directory / "lock", timeout=0):
        assert gone.is_dir()
        assert is_locked(directory / "lock")


def test_what_is_no_directory_in_its_place_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(FileExistsError), locked(tmp_path / "cache" / "lock"):
        pass


def test_two_readers_share_a_lock(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", shared=True),
        locked(tmp_path / "lock", shared=True, timeout=0.05),
    ):
        assert (tmp_path / "lock").exists()


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "FIFO"])
def test_a_lock_is_never_somebody_elses_file(tmp_path: Path, kind: str) -> None:
    """Who owns the directory may put a link where we, perhaps root, write our number."""
    precious = tmp_path / "shadow"
    precious.write_text("root:x")
    lock = tmp_path / "lock"
    if kind == "FIFO":
        os.mkfifo(lock)
    elif kind == "hard link":
        lock.hardlink_to(precious)
    else:
        lock.symlink_to(precious)
    with pytest.raises(OSError, match="lock"), locked(lock, timeout=1):
        pytest.fail("locked")
    assert precious.read_text() == "root:x"


def test_a_lock_whose_file_its_holder_removed_is_taken_anew(tmp_path: Path) -> None:
    path, taken = tmp_path / "app" / "lock", threading.Event()

    def wait_for_it() -> None:
        with locked(path, timeout=10):
            assert path.read_text() == f"{os.getpid()}\n"
            taken.set()

    waiting = threading.Thread(target=wait_for_it)
    with locked(path):
        waiting.start()
        time.sleep(0.05)
        path.parent.rename(tmp_path / "aside")
    waiting.join()
    assert taken.is_set()
    assert path.is_file()


def test_whether_a_lock_is_held_can_be_asked_by_many_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_locked(lock)
    with locked(lock):
        assert is_locked(lock)
        assert is_locked(lock, shared=True)
    with locked(lock, shared=True):
        assert is_locked(lock)
        assert not is_locked(lock, shared=True)
    assert not is_locked(lock)
