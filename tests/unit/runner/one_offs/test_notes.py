"""What is known of detached one-offs, by whom it is held, and how it is shown."""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.locks import LockTimeoutError
from runner.engines.embedded.identity import ProcessId, process_id
from runner.one_offs.listing import one_offs_text
from runner.one_offs.notes import Note, Notes, owner_fd

NOW = 1_800_000_000.0


def a_note(name: str = "run.1234", **fields: object) -> Note:
    given = {
        "name": name,
        "command": "python manage.py migrate",
        "version": 7,
        "since": NOW - 90,
        "key": f"{name}-0a1b2c3d",
        "owner": process_id(os.getpid()),
        "init": ProcessId(pid=17, started=18),
        "groups": {"memory": "/sys/fs/cgroup/x"},
        "memory": 512,
        "pids": None,
    }
    return Note(**{**given, **fields})  # type: ignore[arg-type]  # names of Note's own fields


def test_a_note_is_read_as_it_was_written_while_its_lock_is_held(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    assert notes.read() == ((), ())
    lock = notes.hold("run.1234")
    assert notes.read() == ((), ())  # nothing is said of it yet
    notes.write(a_note())
    assert notes.read() == ((a_note(),), ())
    os.close(lock)
    assert notes.read() == ((), (a_note(),))
    notes.remove("run.1234")
    assert notes.read() == ((), ())
    assert list(notes.directory.iterdir()) == []


def test_the_name_of_an_owner_that_was_killed_before_its_note_can_be_had_again(
    tmp_path: Path,
) -> None:
    notes = Notes(tmp_path)
    os.close(notes.hold("run.1"))  # the kernel does the same when it is killed
    lock = notes.hold("run.1")
    with pytest.raises(LockTimeoutError) as caught:  # that of one that lives cannot
        notes.hold("run.1")
    assert caught.value.exit_code == ExitCode.TRY_AGAIN
    os.close(lock)


def test_notes_are_nobody_elses(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    os.close(notes.hold("run.1"))
    assert notes.directory.stat().st_mode & 0o777 == 0o700


def test_an_owner_is_told_from_another_process_of_its_number() -> None:
    me = process_id(os.getpid())
    found = owner_fd(a_note(owner=me))
    assert found is not None
    os.close(found)
    assert owner_fd(a_note(owner=ProcessId(pid=me.pid, started=me.started - 1))) is None


def test_the_list_has_a_line_for_each_with_its_command() -> None:
    notes = (a_note(), a_note("run.8213", command="sleep 9", since=NOW - 7200))
    assert one_offs_text(notes, now=NOW, zone=UTC) == (
        "=== run: one-off processes (2)\n"
        "run.1234: up 07:58:30 (~ 1m ago): python manage.py migrate\n"
        "run.8213: up 06:00:00 (~ 2h ago): sleep 9"
    )
