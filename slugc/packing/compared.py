"""Which files were compared with their digests, and are not read again while they are the same.

A frame is read to its last byte before it is used, and so is a slug before it is left as it is. In
a build of which nothing has changed that is the same 60 MB twice, a quarter of our processor time.
The kernel moves a file's ctime with every write(2) to it, and no program can set one. What goes
unseen: bytes that a power cut kept from the disk, that the disk itself changes, that are not in a
copy of the mounted disk which has taken its place, or that a program writes which has mapped the
file and had already written to that page. Nothing of ours does, and whoever unpacks compares every
time. A note is good until the machine is started again, and no longer than a day.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from buildpack.support.files import write_whole
from buildpack.support.seals import safe_after
from slugc.packing.frames import FileIdentity, file_identity

LASTS = 24 * 3600 * 1_000_000_000  # nanoseconds
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_Noted = tuple[int, ...]
"""when it was compared, and then its identity"""


class Compared:
    """What one app's builds have compared, noted in ``file``, where no build can write."""

    def __init__(self, file: Path | None = None, *, boot: Path = _BOOT) -> None:
        self._file = file
        self._boot = ""
        with contextlib.suppress(OSError):  # some containers hide it: nothing is noted there
            self._boot = boot.read_text().strip()
        self._noted = self._read()
        self._has_more = False

    def identity(
        self, file: Path, digest: str, is_whole: Callable[[], bool]
    ) -> FileIdentity | None:
        """What ``file`` is, if it is as ``digest`` says: noted or, with ``is_whole``, seen now."""
        now = time.time_ns()
        identity = file_identity(file)
        if identity is None or self._noted.get(digest, ())[1:] == identity:
            return identity
        if not is_whole():
            return None
        # Else a write after this could go unseen: in this very moment, or to what a link leads to.
        if safe_after([identity[-1]]) <= now and not file.is_symlink():
            self._noted[digest] = (now, *identity)
            self._has_more = True
        return identity

    def keep(self) -> None:
        """Write down what was compared, for later builds. What is not noted is compared again."""
        if not self._has_more or not self._boot or self._file is None:
            return
        lines = (" ".join((digest, *map(str, noted))) for digest, noted in self._noted.items())
        with contextlib.suppress(OSError):  # a full disk is told of by who cannot do without room
            self._file.parent.mkdir(exist_ok=True)
            write_whole(self._file, "\n".join((self._boot, *lines, "")))
        self._has_more = False

    def _read(self) -> dict[str, _Noted]:
        """What was noted since this machine was started, and not too long ago."""
        if self._file is None or not self._boot:
            return {}
        now = time.time_ns()
        try:
            boot, *lines = self._file.read_text().splitlines()
            parts = (line.split(" ") for line in lines)
            noted = {digest: tuple(map(int, numbers)) for digest, *numbers in parts}
            young = {key: each for key, each in noted.items() if 0 <= now - each[0] < LASTS}
        except (OSError, ValueError, IndexError):
            return {}  # everything is compared, and noted anew
        return young if boot == self._boot else {}
