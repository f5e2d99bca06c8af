"""Door and switch when they cannot be started."""

from __future__ import annotations

import errno
import selectors
from pathlib import Path

import pytest

from runner.router_log.rules import RequestRules
from runner.supervision import front
from runner.supervision.front import Door, LastingRouter, Switch
from runner.supervision.router_log import RouterLog
from tests.unit.runner.supervision.fakes import FakeFds


def test_what_keeps_it_from_starting_is_said_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full, runs = True, set()

    def start(caddy: Door | Switch) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        runs.add(type(caddy))

    for kind in (Door, Switch):
        monkeypatch.setattr(kind, "start", start)
        monkeypatch.setattr(kind, "is_running", property(lambda caddy: type(caddy) in runs))
    monkeypatch.setattr(front, "ensure_port_free", lambda *_, **__: None)
    with selectors.DefaultSelector() as selector:
        router = LastingRouter(
            "caddy",
            directory=tmp_path,
            told_dir=tmp_path,
            fds=FakeFds(),
            log=RouterLog(pytest.fail, selector=selector),
            entry=tuple,
        )
        assert router.listen_on("127.0.0.1", 5000, RequestRules()) == [
            "The load balancer (Caddy) does not work. [Errno 28] No space left on device"
        ]
        assert router.look() == []
        is_full = False
        assert router.look() == ["Listening at 127.0.0.1:5000"]
        assert router.look() == []
        assert runs == {Door, Switch}


def test_the_notes_of_a_slugkit_that_knew_no_directory_for_them_are_taken_once(
    tmp_path: Path,
) -> None:
    old, ours = tmp_path / "old", tmp_path / "ours"
    old.mkdir()
    (old / "door.json").write_text("one")
    with selectors.DefaultSelector() as selector:

        def begin() -> None:
            log = RouterLog(pytest.fail, selector=selector)
            LastingRouter("c", directory=old, told_dir=ours, fds=FakeFds(), log=log, entry=tuple)

        begin()
        assert [(path.name, path.read_text()) for path in ours.iterdir()] == [("door.json", "one")]
        (old / "door.json").write_text("what Caddy wrote there")
        begin()
    assert (ours / "door.json").read_text() == "one"
