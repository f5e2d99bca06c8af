"""Containers that write to a log, and what the log then holds."""

from __future__ import annotations

import os
from pathlib import Path

from runner.logbook.app_log import AppLog
from runner.logbook.reader import Filter, Line, LogReader

NOW = 1_763_805_601.123456


class Container:
    """Something that writes, and its key."""

    def __init__(self, log: AppLog, *, key: str = "k1", name: str = "web.1") -> None:
        self.log, self.key = log, key
        self.reader, self.writer = os.pipe()
        log.open_container(key, name, self.reader)

    def says(self, *chunks: bytes) -> None:
        for chunk in chunks:
            os.write(self.writer, chunk)
            self.log.attend(self.key)

    def ends(self) -> None:
        os.close(self.writer)
        while self.log.attend(self.key):
            pass
        self.log.close_container(self.key)
        os.close(self.reader)


def lines(directory: Path) -> list[Line]:
    reader = LogReader(directory, Filter().wants)
    reader.start_at_last(1_000_000)
    found = list(reader.lines())
    reader.close()
    return found


def texts(directory: Path) -> list[str]:
    return [line.text for line in lines(directory)]
