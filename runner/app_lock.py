"""The app lock: one deploy, rollback, config change or destruction of an app at a time.

The kernel holds it (flock), so nobody who was killed holds it still. Its file says who holds it,
what for and since when, for those who wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable
from buildpack.support.locks import took_lock
from runner.state.state import State
from runner.state.values import App
from slugc.privileges import DataDirError

PATIENCE = 60.0  # seconds; most changes of an app need milliseconds
_WAITING_IS_TOLD_AFTER = 1.0  # seconds
_LONGEST_NOTE = 4096


class AppLockedError(SlugkitError):
    """Somebody else is at work on the app, and did not end in time."""

    exit_code = ExitCode.TRY_AGAIN
    id = "app-locked"

    def __init__(self, app: str, holder: str, waited: float) -> None:
        self.app, self.holder, self.waited = app, holder, waited
        super().__init__(
            f"{app} is being changed by somebody else",
            details=f"{holder}.",
            resolution=f"Waited {waited:g} seconds; nothing was changed. Try again later.",
        )


class AppGoneError(UsageError):
    """The app was destroyed between our finding it and our turn."""

    id = "app-gone"

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"{app} was destroyed meanwhile",
            resolution="slug-run apps lists the apps there are.",
        )


def app_dir(data_dir: Path, app: App) -> Path:
    """Where the app's log, lock and supervisor files are; made when missing, nobody else's."""
    path = data_dir / "apps" / str(app.number)
    try:
        for directory in (path.parent, path):
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o700)
    except OSError as err:
        raise DataDirError(path, err.strerror or str(err)) from err
    return path


@contextlib.contextmanager
def app_lock(  # noqa: PLR0913  # what is locked, by whom, what for, how long
    state: State,
    data_dir: Path,
    app: App,
    *,
    doing: str,
    who: str,
    patience: float = PATIENCE,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[App]:
    """Hold the lock of ``app`` and give the app as it is now; it may have been renamed.

    ``doing`` ("a deploy") and ``who`` are what others are told. ``tell`` hears whom we wait for,
    once, when it takes longer than a moment. A process that is forked, not started, while the lock
    is held holds it too. Raises AppLockedError (75) and AppGoneError.
    """
    path = app_dir(data_dir, app) / "lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as err:
        raise DataDirError(path, err.strerror or str(err)) from err
    try:
        _wait(descriptor, app, patience, tell)
        found = [each for each in state.apps() if each.number == app.number]
        if not found:
            forget_app_dir(data_dir, app)
            raise AppGoneError(app.name)
        _write_note(descriptor, {"pid": os.getpid(), "doing": doing, "who": who})
        yield found[0]
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def forget_app_dir(data_dir: Path, app: App) -> None:
    """Remove the files of a destroyed app. Only who holds its lock may.

    What cannot be removed is in nobody's way: no other app gets its number.
    """
    from buildpack.support.deletion import remove_tree

    with contextlib.suppress(OSError):
        remove_tree(data_dir / "apps" / str(app.number))


def _wait(descriptor: int, app: App, patience: float, tell: Callable[[str], None]) -> None:
    quietly = min(patience, _WAITING_IS_TOLD_AFTER)
    if took_lock(descriptor, timeout=quietly):
        return
    if patience > quietly:
        tell(f"Waiting for {app.name}: {_holder(descriptor)}.")
        if took_lock(descriptor, timeout=patience - quietly):
            return
    raise AppLockedError(app.name, _holder(descriptor), patience)


def _write_note(descriptor: int, note: dict[str, object]) -> None:
    # The monotonic clock is one for all processes, and nobody sets it.
    content = json.dumps({**note, "since": time.monotonic()})
    with contextlib.suppress(OSError):  # a note for others; a full disk does not stop us here
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content.encode(), 0)


def _holder(descriptor: int) -> str:
    """``A deploy by alice has held it for 12 seconds (process 1234)``."""
    try:
        note = json.loads(os.pread(descriptor, _LONGEST_NOTE, 0))
        seconds = max(0, round(time.monotonic() - float(note["since"])))
        doing, who, pid = str(note["doing"]), str(note["who"]), int(note["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return "Who it is cannot be seen"
    unit = "second" if seconds == 1 else "seconds"
    what = printable(f"{doing[:1].upper()}{doing[1:]} by {who}")
    return f"{what} has held it for {seconds} {unit} (process {pid})"
