"""Records without room: every container is written down, and no supervisor stands still."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.embedded.lasting.files import RunFilesError, write_now
from runner.supervision import records
from tests.unit.runner.supervision.fakes import Stage
from tests.unit.runner.supervision.test_upkeep import wanted


class Disk:
    """Writes while there is room."""

    has_room = True

    def write(self, path: Path, content: str) -> None:
        if not self.has_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_now(path, content)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    monkeypatch.setattr(records, "write_now", found.write)
    return found


@pytest.fixture
def stage(tmp_path: Path, disk: Disk) -> Iterator[Stage]:
    found = Stage(tmp_path)
    yield found
    found.close()


def test_a_container_that_cannot_be_written_down_is_not_begun_and_tried_again(
    stage: Stage, disk: Disk
) -> None:
    disk.has_room = False
    stage.upkeep.want(wanted("worker.1"))
    stage.go()
    assert stage.engine.started[0].calls == ["remove", "forget"]
    assert stage.states() == {"worker.1": "crashed"}
    assert stage.fds.names == frozenset()
    said = "worker.1 could not be started or written down: No space left on device"
    assert f"worker.1: Start failed: {said}" in stage.log.lines
    disk.has_room = True
    stage.go(1)
    assert stage.states() == {"worker.1": "up"}


def test_what_happens_meanwhile_is_written_down_when_there_is_room(
    stage: Stage, disk: Disk, tmp_path: Path
) -> None:
    stage.engine.fresh = {"ignores_sigterm": True}
    stage.upkeep.want(wanted("worker.1", "worker.2"))
    stage.go()
    disk.has_room = False
    stage.upkeep.want(wanted("worker.1"))
    stage.go(1)
    assert stage.states() == {"worker.1": "up", "worker.2": "stopping"}
    assert not stage.upkeep.records.settle()
    assert [str(each.state) for each in records.Records(tmp_path).read()] == ["up", "up"]
    disk.has_room = True
    assert stage.upkeep.records.settle()
    assert [str(each.state) for each in records.Records(tmp_path).read()] == ["up", "stopping"]


def test_what_has_ended_meanwhile_is_not_written_down_any_more(
    stage: Stage, disk: Disk, tmp_path: Path
) -> None:
    stage.upkeep.want(wanted("worker.1"))
    stage.go()
    disk.has_room = False
    stage.upkeep.want(wanted())
    stage.go()
    disk.has_room = True
    assert stage.upkeep.records.settle()
    assert list(records.Records(tmp_path).read()) == []


def test_the_words() -> None:
    assert RunFilesError("web.1", "No space left on device").text() == (
        "web.1 could not be started or written down: No space left on device\n\n"
        "It is tried again by itself. Make room, or allow more processes or files."
    )
