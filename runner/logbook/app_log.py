"""AppLog: what a supervisor writes an app's log with.

Nothing here waits for a disk with room, and nothing about a full disk is raised: a container must
not stand still because its output cannot be kept.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.values import NOTHING
from runner.logbook.batches import MOST_PAYLOAD, Batch, Source, moment
from runner.logbook.intake import CHUNK, Intake, whole_lines
from runner.logbook.loss import Loss
from runner.logbook.spool import Spool
from runner.logbook.store import SPOOLS, Bounds, LogStore
from runner.logbook.translated import Translate, Translation

LAST_ROUNDS = 16  # who was left behind may write for ever; a pipe holds 1 MiB at most
MOST_WAITING = 1000  # lines of ours that are kept in memory while the disk is full
LOG = "logs"  # the name under which the log speaks of itself


class LogDirectoryError(SlugkitError):
    """The log cannot be written at all."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "log-directory"

    def __init__(self, directory: Path, found: str) -> None:
        self.directory, self.found = directory, found
        super().__init__(
            f"slug-run cannot write the log in {printable_path(directory)}",
            details=found,
            resolution="Make room, or allow writing there; SLUGKIT_HOME chooses another place.",
        )


class AppLog:
    """The log of one app, for one thread of one process; other processes may have theirs.

    A successor calls ``recover`` first, then ``open_container`` for those that still run and
    ``close_container`` for the other keys it was told.

    Who is named in ``translators`` is no container: what it writes is put into words of ours.
    """

    def __init__(
        self,
        directory: Path,
        *,
        bounds: Bounds | None = None,
        clock: Callable[[], float] = time.time,
        translators: Mapping[str, Callable[[], Translate]] = NOTHING,
    ) -> None:
        self._clock = clock
        self._translators = translators
        self._translations: dict[str, Translation] = {}
        self._spools = directory / SPOOLS
        try:
            self._store = LogStore(directory, bounds=bounds or Bounds(), clock=clock)
        except OSError as err:
            raise LogDirectoryError(directory, err.strerror or str(err)) from err
        self._containers: dict[str, Intake] = {}
        self._waiting: deque[Batch] = deque()
        self._unsaid: Loss | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; what is in spools and pipes stays there for a successor."""
        for container in self._containers.values():
            container.spool.close()
        self._containers.clear()
        self._store.close()

    # Our own lines

    def system(self, name: str, text: str) -> None:
        """A line of slug-run about ``name``: ``web.1``, ``router``, ``api``."""
        payload = f"{text}\n".encode("utf-8", "backslashreplace")[-MOST_PAYLOAD:]
        self._waiting.append(self._batch(Source.SLUG_RUN, _plain(name), payload))
        if len(self._waiting) > MOST_WAITING:
            gone = self._waiting.popleft()
            self._unsaid = (self._unsaid or Loss(since=gone.microseconds)).and_also(gone.payload)
        self._write_waiting()

    def _write_waiting(self) -> bool:
        """Write our own lines; whether there was room for all."""
        if self._unsaid is not None:
            said = self._batch(Source.SLUG_RUN, LOG, f"{self._unsaid.text('slug-run')}\n".encode())
            if not self._append(said):
                return False
            self._unsaid = None
        while self._waiting:
            if not self._append(self._waiting[0]):
                return False
            self._waiting.popleft()
        return True

    # Containers

    def recover(self) -> tuple[str, ...]:
        """Log what a killed predecessor did not; the keys of the containers it had.

        Those of processes that live are left alone.
        """
        for directory in sorted(self._spools.iterdir()):
            spool = Spool.take_over(directory)
            if spool is not None:
                self._adopt(spool)
        return tuple(self._containers)

    def open_container(self, key: str, name: str, pipe: int) -> None:
        """Log what comes from ``pipe`` as lines of ``name``.

        ``key`` is another for each container. A key whose spool is there goes on where it was.
        """
        container = self._containers.get(key) or self._recovered(key)
        if container is None:
            spool = Spool.create(self._spools, key=key, name=name)
            container = self._containers[key] = Intake(spool)
        container.watch(pipe)

    def attend(self, key: str) -> bool:
        """Log what is in the pipe now; False once it has ended. Never waits."""
        container = self._containers[key]
        events = container.events()
        if not events & select.POLLIN:
            return not events
        if self._is_kept(container):
            self._log_lines(container)
            return True
        return container.discard(self._now())

    def close_container(self, key: str) -> None:
        """Log what is left, without waiting for more, and forget the container."""
        container = self._containers.pop(key, None)
        if container is None:
            return
        for _ in range(LAST_ROUNDS):
            if not container.events() & select.POLLIN:
                break
            if self._is_kept(container):
                self._log_lines(container)
            else:
                container.discard(self._now())
        if not (self._log_lines(container, to_the_end=True) and self._say_loss(container)):
            # Its last lines must not hold up its removal: they are counted instead.
            self._count_rest(container)
        container.spool.remove()
        self._translations.pop(container.spool.tag, None)
        self._store.forget(container.spool.tag)

    def settle(self) -> bool:
        """Try again what a full disk refused; whether nothing is left. Call it now and then."""
        done = [self._log_lines(each) and self._say_loss(each) for each in self._behind()]
        return self._write_waiting() and all(done)

    def _behind(self) -> tuple[Intake, ...]:
        return tuple(each for each in self._containers.values() if each.is_behind or each.loss)

    def _adopt(self, spool: Spool) -> Intake:
        container = self._containers[spool.key] = Intake(spool)
        try:
            spool.start_at(self._store.offset(spool.tag))
        except OSError as err:  # to guess would double lines
            raise LogDirectoryError(self._spools.parent, err.strerror or str(err)) from err
        if spool.name in self._translators:
            container.is_behind = True  # the words may need what a successor does not know yet
        else:
            self._log_lines(container)
        return container

    def _recovered(self, key: str) -> Intake | None:
        for directory in self._spools.glob(f"*~{key}~*"):
            spool = Spool.take_over(directory)
            if spool is not None:
                return self._adopt(spool)
        return None

    def _is_kept(self, container: Intake) -> bool:
        """Move what is in the pipe to the spool; whether there was room."""
        if container.loss is not None and not (
            self._log_lines(container, to_the_end=True) and self._say_loss(container)
        ):
            return False
        if container.spool.is_full:
            return False
        try:
            container.spool.take(container.pipe)
        except OSError:
            container.lose(container.spool.fallen, self._now())
            return False
        return True

    def _log_lines(self, container: Intake, *, to_the_end: bool = False) -> bool:
        """Append every whole line of the spool to the log; whether there was room."""
        container.is_behind = False
        spool = container.spool
        while spool.rest:
            size, batch = self._next_batch(spool, to_the_end=to_the_end)
            if size == 0:
                break
            if batch.payload and not self._append(batch):
                container.is_behind = True
                return False
            spool.was_logged(size)
        return True

    def _next_batch(self, spool: Spool, *, to_the_end: bool) -> tuple[int, Batch]:
        """How much of the spool comes next, and how it is logged; 0 without a whole line."""
        source, is_cut = Source.APP, False
        if spool.name in self._translators:
            source = Source.SLUG_RUN
            size, payload = self._translation(spool).next(spool, to_the_end=to_the_end)
        else:
            chunk = spool.read(CHUNK)
            size, is_cut = whole_lines(chunk, to_the_end=to_the_end)
            payload = chunk[:size]
        return size, self._batch(
            source, spool.name, payload, tag=spool.tag, offset=spool.logged + size, cut=is_cut
        )

    def _translation(self, spool: Spool) -> Translation:
        if spool.tag not in self._translations:
            self._translations[spool.tag] = Translation(self._translators[spool.name]())
        return self._translations[spool.tag]

    def _say_loss(self, container: Intake) -> bool:
        if container.loss is None:
            return True
        text = container.loss.text(container.spool.name)
        if not self._append(self._batch(Source.SLUG_RUN, LOG, f"{text}\n".encode())):
            return False
        container.loss = None
        return True

    def _count_rest(self, container: Intake) -> None:
        loss = container.loss or Loss(since=self._now())
        while chunk := container.spool.read(CHUNK):
            loss = loss.and_also(chunk)
            container.spool.was_logged(len(chunk))
        self.system(LOG, loss.text(container.spool.name))

    def _append(self, batch: Batch) -> bool:
        try:
            self._store.append(batch)
        except OSError:
            return False
        return True

    def _batch(
        self, source: Source, name: str, payload: bytes,
        *, tag: str = "-", offset: int = 0, cut: bool = False,
    ) -> Batch:  # fmt: skip
        return Batch(
            microseconds=self._now(), source=source, name=name, payload=payload,
            tag=tag, offset=offset, cut=cut,
        )  # fmt: skip

    def _now(self) -> int:
        return moment(self._clock())


def _plain(name: str) -> str:
    shown = "".join(each if "!" <= each <= "~" else "?" for each in name)
    return shown[:200] or "?"
