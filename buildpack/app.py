"""The read-only view of the source tree: the only way planning touches the app's files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import value

LARGEST_TEXT_FILE = 4 * 1024 * 1024


class UnreadableFileError(SlugkitError):
    """A file or directory of the app cannot be read, or is not what its name promises."""

    id = "app::unreadable"

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"Cannot read '{printable(name)}' in your app",
            details=f"It is needed for the build, but {reason}.",
            resolution="Make it a regular file that everyone may read (chmod 644),\n"
            "then build again.",
        )


@value
class App:
    """An app directory; names are relative to its root."""

    root: Path

    def names(self) -> frozenset[str]:
        """Everything in the root directory."""
        try:
            return frozenset(os.listdir(self.root))  # noqa: PTH208 - names, not paths
        except OSError as err:
            raise UnreadableFileError(str(self.root), _reason(err)) from err

    def has(self, name: str) -> bool:
        """Is there anything of this name (links followed)?"""
        return os.path.exists(self.root / name)  # noqa: PTH110 - False, not an error, on a loop

    def is_file(self, name: str) -> bool:
        return os.path.isfile(self.root / name)  # noqa: PTH113 - False, not an error, on a loop

    def read_bytes(self, name: str) -> bytes:
        """The content of a regular file. Never blocks on a FIFO, never reads gigabytes."""
        try:
            descriptor = os.open(self.root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as err:
            raise UnreadableFileError(name, _reason(err)) from err
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableFileError(name, f"it is {_kind(found.st_mode)}")
            if found.st_size > LARGEST_TEXT_FILE:
                raise UnreadableFileError(name, "it is larger than 4 MiB")
            return os.read(descriptor, LARGEST_TEXT_FILE)
        finally:
            os.close(descriptor)

    def read_text(self, name: str) -> str:
        """The content as UTF-8; a byte order mark is dropped."""
        content = self.read_bytes(name)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as err:
            line = content[: err.start].count(b"\n") + 1
            raise UnreadableFileError(name, f"line {line} is not UTF-8 text") from err


def _reason(err: OSError) -> str:
    return f"the system says: {(err.strerror or str(err)).lower()}"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "not a regular file")
