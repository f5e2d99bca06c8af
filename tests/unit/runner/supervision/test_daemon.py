"""daemon: a supervisor of an app that is no more, and one that cannot begin."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.errors import PortInUseError
from runner.holder import NetworkError
from runner.state.state import opened_state
from runner.supervision import daemon
from runner.supervision.client import last_errors
from runner.supervision.daemon import Daemon, main
from runner.supervision.fd_store import KeptFds
from runner.supervision.known import Known


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


def test_what_could_not_all_be_gone_by_is_read_again_though_nobody_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_state(tmp_path) as state:
        app = state.create_app("polls")
        state.set_supervision(app, {})
    said: list[str] = []
    nothing: Any = None
    known = Known(tmp_path, app.number, supply=nothing, say=said.append)
    found = object.__new__(Daemon)
    duties = SimpleNamespace(look=lambda: None)
    rollout = SimpleNamespace(follow=lambda wanted: None)
    for name, value in {"_known": known, "_duties": duties, "_rollout": rollout}.items():
        monkeypatch.setattr(found, name, value, raising=False)
    monkeypatch.setattr(found, "_say", said.append)

    def taken() -> None:
        raise PortInUseError(5000, holder=None)

    monkeypatch.setattr(found, "_set_up_front", taken)
    found._read_wanted()
    assert said == [f"{PortInUseError(5000, holder=None).brief}. Nothing was changed."]
    assert known.has_changed()

    monkeypatch.setattr(found, "_set_up_front", lambda: None)
    found._read_wanted()
    assert not known.has_changed()


def test_of_many_lines_the_last_are_shown(tmp_path: Path) -> None:
    (tmp_path / "errors").write_text("".join(f"line {number}\n" for number in range(100)))
    assert last_errors(tmp_path).splitlines() == [f"line {number}" for number in range(92, 100)]
    assert last_errors(tmp_path / "missing") == ""
