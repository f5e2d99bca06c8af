"""daemon: a supervisor of an app that is no more, and one that cannot begin."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from runner.holder import NetworkError
from runner.supervision import daemon
from runner.supervision.client import last_errors
from runner.supervision.daemon import main
from runner.supervision.fd_store import KeptFds


def test_a_supervisor_whose_app_was_deleted_while_nobody_looked_means_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "gone"))
    assert main(["1", "--keeper", "-1"]) == 0, "else its keeper would start one after the other"
    assert not (tmp_path / "gone").exists()


def test_a_supervisor_that_cannot_begin_says_what_it_found_where_commands_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Unable:
        def __init__(self, number: int, *, env: object, fds: KeptFds) -> None:
            fds.keeper.close()

        def run(self) -> None:
            raise NetworkError("slirp4netns", "received tapfd=6\nbind: Permission denied\n")

    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path))
    monkeypatch.setattr(daemon, "Daemon", Unable)
    monkeypatch.setattr(os, "umask", lambda mask: mask)  # of this process, not of its own
    (tmp_path / "apps" / "1").mkdir(parents=True)
    ours, theirs = socket.socketpair()
    with ours:
        assert main(["1", "--keeper", str(theirs.detach())]) == 69
    told = capfd.readouterr().err
    (tmp_path / "errors").write_text(f"Traceback (most recent call last):\nBoom\n{told}{told}")
    assert last_errors(tmp_path) == (
        "The app's own network could not be set up\n"
        "slirp4netns: received tapfd=6\n"
        "bind: Permission denied"
    )


def test_of_many_lines_the_last_are_shown(tmp_path: Path) -> None:
    (tmp_path / "errors").write_text("".join(f"line {number}\n" for number in range(100)))
    assert last_errors(tmp_path).splitlines() == [f"line {number}" for number in range(92, 100)]
    assert last_errors(tmp_path / "missing") == ""
