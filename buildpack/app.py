"""The read-only view of the source tree: the only way planning touches the app's files."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import value

LARGEST_TEXT_FILE = 32 * 1024 * 1024
"""Lock files of large workspaces have a few megabytes."""
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")

LONGEST_NUMBER = 4300
"""Digits that Python converts (sys.int_info): with more of them, every parser fails in its way."""


class UnreadableFileError(SlugkitError):
    """A file or directory of the app cannot be read, or is not what its name promises."""

    id = "app::unreadable"

    def __init__(self, name: str, reason: str, advice: str = "") -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"Cannot read '{printable(name)}' in your app",
            details=f"It is needed for the build, but {reason}.",
            resolution=advice
            or "Make it a regular file that everyone may read (chmod 644),\nthen build again.",
        )


@value
class App:
    """An app directory; names are relative to its root.

    ``source`` is the whole source where the app is a part of it: links may lead there.
    """

    root: Path
    source: Path | None = None

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

    def is_inside(self, name: str) -> bool:
        """Does ``name`` lie in the source, whatever links lead there?"""
        source = os.path.realpath(self.source or self.root)
        return Path(os.path.realpath(self.root / name)).is_relative_to(source)

    def read_bytes(self, name: str) -> bytes:
        """The content of a regular file. Never blocks on a FIFO, never reads gigabytes."""
        try:
            descriptor = os.open(self.root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as err:
            raise UnreadableFileError(name, _reason(err), _advice(err, name)) from err
        try:
            if not self.is_inside(name):
                raise UnreadableFileError(name, "it is a link to something outside your app")
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableFileError(name, f"it is {_kind(found.st_mode)}")
            if found.st_size > LARGEST_TEXT_FILE:
                raise UnreadableFileError(name, "it is larger than 32 MiB")
            return os.read(descriptor, LARGEST_TEXT_FILE)
        finally:
            os.close(descriptor)

    def read_as_pip(self, name: str) -> tuple[bytes, str]:
        """The content in UTF-8; what has the mark of UTF-16, PowerShell's, is brought to it."""
        content = self.read_bytes(name)
        if content.startswith(UTF_16_MARKS):
            # What is no UTF-16 after all is refused as what it says it is.
            with contextlib.suppress(UnicodeDecodeError):
                content = content.decode("utf-16").encode()
        return content, self._text(name, content)

    def read_text(self, name: str) -> str:
        """The content as UTF-8; a byte order mark is dropped."""
        return self._text(name, self.read_bytes(name))

    def _text(self, name: str, content: bytes) -> str:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as err:
            raise _not_utf8(name, content, err) from err
        for number, one in enumerate(text.split("\n"), 1):
            if len(one) > LONGEST_NUMBER and _has_long_number(one):
                reason = f"line {number} has a number of more than {LONGEST_NUMBER:,} digits"
                raise UnreadableFileError(name, reason)
        return text


def _not_utf8(name: str, content: bytes, err: UnicodeDecodeError) -> UnreadableFileError:
    if content.startswith(UTF_16_MARKS):
        reason, encoding = "its encoding is UTF-16", "UTF-16"
    else:
        line = content[: err.start].count(b"\n") + 1
        reason, encoding = f"line {line} is not UTF-8 text", "LATIN1"
    shown = printable(name)
    advice = (
        "Save it as UTF-8 in your editor. Or, if that is the encoding it has now:\n\n"
        f"    iconv -f {encoding} -t UTF-8 {shown} > {shown}.new && mv {shown}.new {shown}"
    )
    return UnreadableFileError(name, reason, advice)


def _has_long_number(line: str) -> bool:
    import re  # Most apps have no line that is as long.

    return re.search(rf"\d{{{LONGEST_NUMBER + 1}}}", line) is not None


def _advice(err: OSError, name: str) -> str:
    if not isinstance(err, FileNotFoundError):
        return ""
    return (
        f"Add {printable(name)} to your app. If you have it: was it committed to git, and does\n"
        ".gitignore or .slugignore leave it out?"
    )


def _reason(err: OSError) -> str:
    if isinstance(err, FileNotFoundError):
        return "it is missing"
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
