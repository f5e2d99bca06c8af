"""What a release command wrote, kept beside the app: the beginning and the end of much."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

HEAD, TAIL = 256 * 1024, 768 * 1024
KEPT = 50
"""Releases of an app whose output is kept: the newest."""
_MARK = b"\n[slug-run: %d bytes left out here]\n"


def output_file(app_files: Path, version: int) -> Path:
    """Where the output of that release is."""
    return app_files / "release-output" / f"v{version}"


class ReleaseOutput:
    """The file, while the command writes. At most twice ``HEAD`` and ``TAIL`` together.

    It tells of a release and nothing depends on it: without room for it the release goes on, and
    ``lost`` says why it is not all there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = ""
        self._size = self._left_out = 0

    def begin(self) -> None:
        """An empty file, in the place of an older one; the oldest of many goes."""
        with self._noting():
            os.close(self._opened(os.O_TRUNC))
            found = [path for path in self.path.parent.iterdir() if path.name[1:].isdecimal()]
            for path in sorted(found, key=lambda path: int(path.name[1:]))[:-KEPT]:
                path.unlink(missing_ok=True)

    def add(self, chunk: bytes) -> None:
        """More of it, on the disk at once: we may be killed."""
        with self._noting():
            descriptor = self._opened(os.O_APPEND)
            try:
                if os.write(descriptor, chunk) < len(chunk):
                    self.lost = os.strerror(errno.ENOSPC)
            finally:
                os.close(descriptor)
            self._size += len(chunk)
            if self._size > 2 * (HEAD + TAIL):
                self._shorten()

    def _opened(self, how: int) -> int:
        with contextlib.suppress(FileExistsError):
            self.path.parent.mkdir(mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self.path, flags | how, 0o600)

    def note(self, text: str) -> None:
        """A line of ours at its end."""
        self.add(f"[slug-run: {text}]\n".encode())

    def _shorten(self) -> None:
        content = self.path.read_bytes()
        mark = _MARK % self._left_out if self._left_out else b""
        head, rest = content[:HEAD], content[HEAD + len(mark) :]
        self._left_out += len(rest) - TAIL
        new = head + _MARK % self._left_out + rest[-TAIL:]
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        temporary.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(new)
        temporary.replace(self.path)
        self._size = len(new)

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            self.lost = err.strerror or str(err)
