"""What a command changes in the schedule reaches a supervisor before its next look."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.schedule import book
from runner.schedule.task import Task
from runner.schedule.times import Rhythm
from runner.state.state import opened_state
from runner.supervision.client import supervisor_dir
from runner.supervision.control import address_in


def test_what_is_added_paused_and_resumed_is_told_to_the_supervisor(tmp_path: Path) -> None:
    task = Task(name="sync", rhythm=Rhythm(times="@hourly", zone="UTC"), words=("true",))
    with opened_state(tmp_path) as state, socket.socket(socket.AF_UNIX) as ear:
        app = state.create_app("polls")
        opened = OpenedApp(app=app, state=state, data_dir=tmp_path, who="me")
        directory = supervisor_dir(app_dir(tmp_path, app))
        directory.mkdir(parents=True)
        opened_dir = os.open(directory, os.O_RDONLY)
        ear.bind(address_in(opened_dir))
        os.close(opened_dir)
        ear.listen()
        ear.settimeout(30)
        book.add_task(opened, task, is_named=True)
        assert asked(ear) == {"do": "look"}
        book.pause_task(opened, "sync", is_paused=True)
        assert asked(ear) == {"do": "look"}
        book.pause_task(opened, "sync", is_paused=False)
        assert asked(ear) == {"do": "look"}


def asked(ear: socket.socket) -> object:
    connection, _ = ear.accept()
    with connection:
        return json.loads(connection.makefile().readline())
