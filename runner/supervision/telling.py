"""What is said, to who asked and in the app's log, of what becomes of containers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TextIO

from runner.app_option import OpenedApp
from runner.logbook.app_log import AppLog, LogDirectoryError
from runner.logbook.place import log_dir
from runner.logs import clean
from runner.supervision.client import Event

API = "api"


def tell_event(event: Event, out: TextIO | None = None) -> None:
    """One line for what a container does."""
    name = str(event.get("name", ""))
    match event.get("event"):
        case "up":
            say(f"  {name:<9} up       {event.get('seconds'):.1f}s", out)
        case "stopped":
            say(f"  {name:<9} stopped  status {event.get('code')}", out)
        case "crashed":
            say(f"  {name:<9} crashed  status {event.get('code')}", out)
        case "rollout-failed":
            say(f"  {name} did not come up: {event.get('text')}", out)
        case "unhealthy":
            say(f"  {name:<9} waits    {event.get('text')}", out)
        case "failed":
            say(f"  {name:<9} failed   {event.get('text')}", out)


def say(text: str, out: TextIO | None = None) -> None:
    # Names and errors may hold what is anybody's.
    stream = out or sys.stderr
    stream.write(f"{clean(text, color=False)}\n")
    stream.flush()


def say_in_log(opened: OpenedApp, text: str) -> None:
    """A line of ours in the app's log; nothing fails for want of it."""
    try:
        with AppLog(log_dir(opened.data_dir, opened.app)) as log:
            log.system(API, text)
    except LogDirectoryError as err:
        say(f"{err.brief}: {err.details}")


@contextlib.contextmanager
def telling_of_going_on(app: str) -> Iterator[None]:
    """Say to who presses Ctrl-C what is left undone by that: nothing, but the waiting."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"It goes on by itself: slug-run ps --app {app}")
        raise
