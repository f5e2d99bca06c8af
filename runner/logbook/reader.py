"""Reads an app's log, from its end or as it grows, while others write and rotate it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from buildpack.support.values import value
from runner.logbook.batches import (
    FIRST_SIZE,
    Batch,
    Source,
    batches,
    decode,
    footer_size,
    token_of,
)
from runner.logbook.loss import shown_time
from runner.logbook.store import log_numbers, log_path
from runner.logs import CUT_MARK, LineSplitter

BLOCK = 1024 * 1024


@value
class Line:
    """One line of the log."""

    time: str
    """``2026-11-22T10:00:01.123456+00:00``, of when it was read from the container"""
    source: str
    """app or slug-run"""
    name: str
    text: str


@value
class Position:
    """A place in the log: behind that byte of that file. The default is before everything."""

    number: int = 0
    at: int = 0


@value
class Filter:
    """Which lines are wanted; what is empty wants all."""

    process_types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    source: str = ""

    def wants(self, batch: Batch) -> bool:
        if batch.source == Source.STATE:
            return False
        if self.source and batch.source != self.source:
            return False
        if self.names and batch.name not in self.names:
            return False
        # router and api have no number.
        kinds = {batch.name, batch.name.rpartition(".")[0]}
        return not self.process_types or not kinds.isdisjoint(self.process_types)


def lines_of(batch: Batch) -> list[Line]:
    """The lines of ``batch``, long ones cut and marked."""
    splitter = LineSplitter()
    texts = [*splitter.feed(batch.payload), *splitter.finish()]
    if batch.cut:
        texts[-1] += CUT_MARK
    time = shown_time(batch.microseconds)
    return [Line(time=time, source=batch.source, name=batch.name, text=text) for text in texts]


class LogReader:
    """Gives the lines of a log in its order.

    ``missed`` counts the files that were removed before we came to them.
    """

    def __init__(self, directory: Path, wanted: Callable[[Batch], bool]) -> None:
        self._directory, self._wanted = directory, wanted
        self._number, self._file, self._at, self._token = 0, -1, 0, b""
        self._skip = 0
        self.missed = 0

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def is_gone(self) -> bool:
        """The app, and its log with it, was destroyed."""
        return not self._directory.parent.exists()  # a log that is not yet is none that is gone

    @property
    def position(self) -> Position:
        """Behind the last batch whose lines were all given."""
        return Position(number=self._number, at=self._at)

    def start_at(self, position: Position) -> None:
        """Make ``lines`` begin with what is behind ``position``."""
        if position.number and self._open(position.number):
            self._at = max(position.at, FIRST_SIZE)
        else:
            self._number = position.number
            self.missed = min(position.number, 1)  # removed meanwhile

    def start_at_last(self, count: int) -> None:
        """Make ``lines`` begin with the last ``count`` lines that are wanted."""
        missing = count
        for number in reversed(log_numbers(self._directory)):
            if not self._open(number):
                continue
            for start, end, batch in self._from_the_end():
                if missing <= 0:
                    self._at = end
                    return
                if self._wanted(batch):
                    missing -= len(lines_of(batch))
                self._at, self._skip = start, max(0, -missing)
        # All of it is wanted: we stand at the beginning of the oldest file.

    def lines(self) -> Iterator[Line]:
        """Those that are there and were not given yet. May be called again and again."""
        for batch in self._batches():
            if self._wanted(batch):
                found = lines_of(batch)
                yield from found[self._skip :]
                self._skip = 0

    def take(self, most: int) -> list[Line]:
        """The next lines, of whole batches: at least ``most`` if there are so many."""
        found: list[Line] = []
        for batch in self._batches():
            if self._wanted(batch):
                found += lines_of(batch)
                if len(found) >= most:
                    break
        return found

    def _batches(self) -> Iterator[Batch]:
        while True:
            # Looked at first: once there is a newer file, nobody adds to this one.
            newer = self._newer()
            if self._file >= 0:
                yield from self._rest()
            if newer is None or not self._open(newer):
                return

    def _rest(self) -> Iterator[Batch]:
        """The whole batches from where we stand to the end of the file."""
        while True:
            block = os.pread(self._file, BLOCK, self._at)
            begin = self._at
            for _, end, batch in batches(block, 0, self._token):
                self._at = begin + end
                yield batch
            if self._at == begin:
                if len(block) < BLOCK:
                    return
                self._at += BLOCK // 2  # nothing whole in so much: damaged

    def _newer(self) -> int | None:
        """The number of the file after the one we read."""
        if log_path(self._directory, self._number + 1).exists():
            return self._number + 1
        newer = [each for each in log_numbers(self._directory) if each > self._number]
        if not newer:
            return None
        if self._number:
            self.missed += newer[0] - self._number - 1
        return newer[0]

    def _open(self, number: int) -> bool:
        """Stand at the beginning of that file; not if it is gone."""
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(log_path(self._directory, number), flags)
        except FileNotFoundError:
            return False
        self.close()
        token = token_of(os.pread(file, FIRST_SIZE, 0))
        self._number, self._file, self._at = number, file, FIRST_SIZE
        self._token = token or b"damaged"  # which no batch begins with
        return True

    def _from_the_end(self) -> Iterator[tuple[int, int, Batch]]:
        """Start, end and content of each batch of the open file, the last one first."""
        data = os.pread(self._file, os.fstat(self._file).st_size, 0)
        end = len(data)
        while end > FIRST_SIZE:
            size = footer_size(data, end, self._token)
            found = decode(data, end - size, self._token) if size else None
            if size is None or found is None or found[0] != end:
                # Half a batch at the end, or damage: the way from the front knows how to pass it.
                yield from reversed(list(batches(data[:end], FIRST_SIZE, self._token)))
                return
            yield end - size, end, found[1]
            end -= size
