"""The answer to ``{"do": "usage"}``: each container with what it uses and what it may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from runner.metrics.usage import Measured, read_usage
from runner.sizes import find_size

Row = dict[str, object]


class Living(Protocol):
    """What of ``live.Live`` is used here."""

    @property
    def container(self) -> Measured: ...


def usage_rows(snapshot: Sequence[Mapping[str, object]], lives: Sequence[Living]) -> Sequence[Row]:
    """A row for each entry of the supervisor's snapshot, whose first are its ``lives``.

    Places without a container use nothing: their numbers are None.
    """
    return list(_rows(snapshot, lives))


def _rows(snapshot: Sequence[Mapping[str, object]], lives: Sequence[Living]) -> Iterator[Row]:
    for index, shown in enumerate(snapshot):
        usage = read_usage(lives[index].container) if index < len(lives) else None
        size = find_size(str(shown["size"]))
        yield {
            "name": shown["name"],
            "state": shown["state"],
            "since": shown["since"],
            "release": shown["release"],
            "size": size.name,
            "memory_bytes": None if usage is None else usage.memory,
            "memory_limit": size.memory,
            "cpu_seconds": None if usage is None else round(usage.cpu_seconds, 3),
            "processes": None if usage is None else usage.processes,
            "process_limit": size.pids,
            "restarts": shown["restarts"],
        }
