"""How commands speak with an app's supervisor, also while one follows another."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.locks import is_locked
from runner.supervision.control import connected

Event = Mapping[str, object]
LAST = {"settled", "containers", "usage"}
_REPEATED = {"containers", "usage", "stop", "end"}
"""what a successor is asked as well; it finds the rest in state.db"""
_SHOWN = 8  # lines of what it wrote where errors go
PATIENCE = 30.0  # seconds for a supervisor to answer, or for its successor to be there


class SupervisorSilentError(SlugkitError):
    """There is a supervisor, and it does not answer."""

    exit_code = ExitCode.TRY_AGAIN
    id = "supervisor-silent"

    def __init__(self, app: str, seconds: float, errors: str) -> None:
        self.app, self.seconds = app, seconds
        super().__init__(
            f"The supervisor of {app} does not answer",
            details=errors or f"Nothing was heard from it for {seconds:g} seconds.",
            resolution="What you asked for is remembered, and done as soon as it can be.\n"
            f"slug-run logs --app {app} -s slug-run shows what it last said.",
        )


class NoAnswerYetError(SlugkitError):
    """It takes longer than one wanted to wait."""

    exit_code = ExitCode.TIME_LIMIT
    id = "not-settled"

    def __init__(self, app: str, seconds: float) -> None:
        self.app, self.seconds = app, seconds
        super().__init__(
            f"{app} is not as wanted after {seconds:g} seconds",
            resolution=f"It goes on by itself: slug-run ps --app {app}",
        )


def supervisor_dir(app_dir: Path) -> Path:
    return app_dir / "supervisor"


def is_supervised(directory: Path) -> bool:
    """Whether a keeper or a supervisor lives: who does holds the lock. Any number may look."""
    return is_locked(directory / "lock", shared=True)


def ask(
    app: str,
    directory: Path,
    request: Event,
    *,
    on_event: Callable[[Event], None] = lambda _: None,
    timeout: float | None = None,
) -> Event | None:
    """Ask, hand over what happens meanwhile, and give the last event.

    A supervisor that is killed meanwhile has a successor, which is asked to go on. None when none
    is there any more. Raises SupervisorSilentError and NoAnswerYetError.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    silent_since = time.monotonic()
    while True:
        try:
            with connected(directory) as connection:
                connection.sendall(json.dumps(dict(request)).encode() + b"\n")
                for event in _events(connection, deadline):
                    silent_since = time.monotonic()
                    if event.get("event") == "accepted":
                        request = _after(request)
                    elif event.get("event") in LAST:
                        return event
                    else:
                        on_event(event)
        except TimeoutError:
            raise NoAnswerYetError(app, timeout or 0.0) from None
        except OSError:
            pass  # being started, or started again
        if not is_supervised(directory):
            return None
        if time.monotonic() - silent_since > PATIENCE:
            raise SupervisorSilentError(app, PATIENCE, last_errors(directory))
        time.sleep(0.02)


def _after(request: Event) -> Event:
    """What to ask a successor for: a restart that was begun is not begun again."""
    if request.get("do") in _REPEATED:
        return request
    return {"do": "reconcile"}


def _events(connection: socket.socket, deadline: float | None) -> Iterator[Event]:
    """Until the other side closes. Raises TimeoutError at the deadline."""
    rest = b""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        readable, _, _ = select.select([connection], [], [], left)
        if not readable:
            raise TimeoutError
        chunk = connection.recv(65536)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            event = json.loads(line)
            assert isinstance(event, dict)
            yield event


def last_errors(directory: Path) -> str:
    """The end of what supervisors last wrote where errors go: of the last of them alone."""
    with contextlib.suppress(OSError):
        text = (directory / "errors").read_text("utf-8", "replace")
        return "\n".join(text.rstrip().split("\n\n")[-1].splitlines()[-_SHOWN:])
    return ""
