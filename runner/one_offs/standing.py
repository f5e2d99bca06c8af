"""The detached one-offs of an app: which there are, how they are ended, what dead ones left."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.locks import locked
from runner import container_lines
from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.engines.embedded.identity import ProcessId, has_ended, open_process
from runner.logbook.app_log import AppLog, LogDirectoryError
from runner.logbook.place import log_dir
from runner.one_offs.notes import DIRECTORY, Note, Notes, owner_fd

_LAST_WAIT = 2 * 86400.0  # seconds: the one-off's own --stop-timeout, a day at most, comes first


def running_one_offs(opened: OpenedApp) -> Sequence[Note]:
    """Those that run now."""
    directory = app_dir(opened.data_dir, opened.app)
    settle_dead(directory, log_dir(opened.data_dir, opened.app))
    return Notes(directory).read()[0]


def settle_dead(directory: Path, log: Path) -> None:
    """Log what the one-offs of killed owners had written, and that they have ended."""
    notes = Notes(directory)
    if not notes.read()[1]:
        return
    with locked(directory / f"{DIRECTORY}.lock", timeout=10):
        for note in notes.read()[1]:
            with contextlib.suppress(LogDirectoryError), AppLog(log) as app_log:
                _log_rest(app_log, note)
            notes.remove(note.name)


def _log_rest(log: AppLog, note: Note) -> None:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.close(writer)
    try:
        log.open_container(note.key, note.name, reader)
        log.close_container(note.key)
    finally:
        os.close(reader)
    log.system(note.name, "Process ended because slug-run, which stayed with it, was killed")
    log.system(note.name, container_lines.state_changed("up", "crashed"))


def chosen_one_offs(
    opened: OpenedApp, words: Sequence[str]
) -> tuple[Sequence[Note], tuple[str, ...]]:
    """The one-offs that ``words`` name, ``run`` for all; the words that name none."""
    chosen, known = [], set()
    for note in running_one_offs(opened) if words else ():
        names = {note.name, note.name.partition(".")[0]}
        known |= names
        if not names.isdisjoint(words):
            chosen.append(note)
    return chosen, tuple(word for word in words if word not in known)


def _kill(process: ProcessId) -> None:
    descriptor = open_process(process)
    if descriptor is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)


def stop_one_off(note: Note, *, at_once: bool = False) -> None:
    """End it; returns when it has ended, with whatever it used given back.

    ``at_once`` kills what runs in it; its owner then sees it end.
    """
    owner = owner_fd(note)
    if owner is None:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(owner, signal.SIGTERM)
        if at_once and note.init is not None:
            _kill(note.init)
        has_ended(owner, _LAST_WAIT)
    finally:
        os.close(owner)
