"""A tarball from the web, in a file of ours: whole, in bounded time and of bounded size."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from buildpack.support.download import CONNECT_TIMEOUT, save
from buildpack.support.peers import Peers
from buildpack.support.urls import DownloadError
from slugc.archive.errors import ArchiveLimitError
from slugc.archive.limits import DEFAULT_LIMITS
from slugc.progress import unwatched
from slugc.sources.git.program import FetchError, FetchTimeoutError


@contextlib.contextmanager
def downloaded(
    url: str,
    file: Path,
    *,
    timeout: float,
    peers: Peers,
    largest: int = DEFAULT_LIMITS.packed,
    watch: Callable[[int], None] = unwatched,
) -> Iterator[BinaryIO]:
    """What lies at ``url``, opened to be read; ``file`` holds it meanwhile. ``watch`` is told how
    many bytes have come, and ``peers`` are who may be connected to."""
    until = time.monotonic() + timeout

    def look(received: int) -> None:
        if time.monotonic() > until:
            raise FetchTimeoutError(url, timeout)
        if received > largest:
            raise ArchiveLimitError("packed bytes", largest, received)
        watch(received)

    try:
        try:
            patience = min(timeout, CONNECT_TIMEOUT)
            save(url, file, on_progress=look, timeout=patience, peers=peers)
        except DownloadError as err:
            look(0)
            raise FetchError(url, err.details) from err
        with file.open("rb") as stream:
            yield stream
    finally:
        file.unlink(missing_ok=True)
