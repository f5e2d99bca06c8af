"""``poke`` and ``wake``: what was changed in state.db takes effect now, not at the next look."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from buildpack.support.values import value
from runner.app_lock import app_dir
from runner.state.state import opened_state
from runner.state.values import App
from runner.supervision.client import Event, ask, is_supervised, supervisor_dir
from runner.supervision.control import connected
from runner.supervision.start import start_keeper


@value
class Settled:
    """What became of it."""

    ok: bool
    """all containers that are wanted are up, and no others"""
    containers: Sequence[Mapping[str, object]]


def poke(
    data_dir: Path,
    app: App,
    *,
    on_event: Callable[[Event], None] = lambda _: None,
    request: Event | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] = os.environ,
) -> Settled | None:
    """Tell the app's supervisor to look at state.db; returns when all is as wanted, or cannot be.

    None, at once, when the app is not kept running. A supervisor that should be there and is not
    is started. ``on_event`` hears of each container: up, stopping, stopped, crashed, failed.
    ``timeout`` is in seconds; without one it takes as long as it takes.
    """
    directory = supervisor_dir(app_dir(data_dir, app))
    if not is_supervised(directory):
        with opened_state(data_dir) as state:
            if state.supervision(app) is None:
                return None
        start_keeper(app.number, directory, {**env, "SLUGKIT_HOME": str(data_dir)})
    asked = {"do": "reconcile"} if request is None else request
    last = ask(app.name, directory, asked, on_event=on_event, timeout=timeout)
    if last is None:
        return Settled(ok=True, containers=())
    containers = last.get("containers")
    return Settled(
        ok=bool(last.get("ok")), containers=containers if isinstance(containers, list) else ()
    )


def wake(directory: Path) -> None:
    """Have a supervisor look now, if there is one; nobody waits for what it does then."""
    with contextlib.suppress(OSError), connected(directory) as connection:
        connection.sendall(b'{"do": "look"}\n')
