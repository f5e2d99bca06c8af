"""Tar bytes of a layer: the same tree gives the same bytes.

Names sorted, one fixed time, no owners, modes 0644 and 0755, PAX records only for what does not
fit into a ustar header. Python's tarfile takes ten times as long (docs/slug-format.md).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable
from slugc.archive.directories import DirectoryStack
from slugc.archive.headers import MemberKind, padding_of
from slugc.archive.limits import BLOCK
from slugc.archive.scan import Entry, UnreadableTreeError

# 1 January 1980, the first day a ZIP file can hold: a tree unpacked with its times can still be
# zipped. Cloud Native Buildpacks' lifecycle uses it too (archive/writer.go).
MODIFIED = 315_532_800
ROOT = b"./app/"
_CHUNK = 1024 * 1024
_MAX_OCTAL_SIZE = 0o77777777777
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FLAGS = {MemberKind.FILE: b"0", MemberKind.DIRECTORY: b"5", MemberKind.SYMLINK: b"2"}
_OWNERS = b"0000000\0" * 2
_TIME = b"%011o\0" % MODIFIED
_TAIL = b"ustar\x0000" + bytes(32 + 32) + _OWNERS  # magic, no owner names, no device numbers


class SourceChangedError(SlugkitError):
    """A file was written to while it was packed."""

    exit_code = ExitCode.TRY_AGAIN
    id = "source-changed"

    def __init__(self, name: bytes) -> None:
        self.name = name
        super().__init__(
            "The app changed during the build",
            details=f"'{printable(name)}' was written to while it was packed.",
            resolution="Build again when nothing writes to it.",
        )


def tar_bytes(tree: Path, entries: Iterable[Entry], *, root: bool = True) -> Iterator[bytes]:
    """Members under ``./app/`` in pieces, beginning with that directory itself if ``root``.

    ``entries`` are in packing order. Each file is read once; pieces are at most 1 MiB.
    """
    if root:
        yield header(ROOT, MemberKind.DIRECTORY)
    with DirectoryStack(tree) as directories:
        for entry in entries:
            name = ROOT + b"/".join(entry.path)
            if entry.kind is MemberKind.DIRECTORY:
                yield header(name + b"/", entry.kind)
            elif entry.kind is MemberKind.SYMLINK:
                yield header(name, entry.kind, target=entry.target)
            else:
                yield header(name, entry.kind, size=entry.size, executable=entry.executable)
                yield from _content(directories, entry)


def header(
    name: bytes,
    kind: MemberKind,
    *,
    target: bytes = b"",
    size: int = 0,
    executable: bool = False,
) -> bytes:
    """The header of a member, with a PAX header before it where something does not fit."""
    records = []
    split = _split_name(name)
    if split is None:
        records.append((b"path", name))
        split = (b"", name[:100])
    if len(target) > 100:
        records.append((b"linkpath", target))
    if size > _MAX_OCTAL_SIZE:
        records.append((b"size", b"%d" % size))
    flag = _FLAGS[kind]
    mode = 0o755 if executable or kind is not MemberKind.FILE else 0o644
    block = _block(split, flag, mode=mode, size=min(size, _MAX_OCTAL_SIZE), target=target[:100])
    return _pax_header(records) + block if records else block


def _block(
    split: tuple[bytes, bytes], flag: bytes, *, mode: int, size: int, target: bytes = b""
) -> bytes:
    prefix, name = split
    before = b"%b%07o\0%b%011o\0%b" % (name.ljust(100, b"\0"), mode, _OWNERS, size, _TIME)
    after = b"%b%b%b%b" % (flag, target.ljust(100, b"\0"), _TAIL, prefix.ljust(167, b"\0"))
    checksum = sum(before) + sum(after) + 8 * 32
    return b"%b%06o\0 %b" % (before, checksum, after)


def _split_name(name: bytes) -> tuple[bytes, bytes] | None:
    """``name`` as ustar's prefix and name; None when it does not fit."""
    if len(name) <= 100:
        return b"", name
    slash = name.find(b"/", max(0, len(name) - 101), min(156, len(name) - 1))
    return (name[:slash], name[slash + 1 :]) if slash > 0 else None


def _pax_header(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    content = b"".join(_pax_record(key, value) for key, value in records)
    block = _block((b"", b"././@PaxHeader"), b"x", mode=0o644, size=len(content))
    return block + content + bytes(padding_of(len(content)))


def _pax_record(key: bytes, value: bytes) -> bytes:
    """``length key=value\\n``, where the length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return b"%d%b" % (length, rest)


def _content(directories: DirectoryStack, entry: Entry) -> Iterator[bytes]:
    """A file's bytes, filled up to the block; it must be what was scanned, to the end."""
    try:
        parent = directories.enter(entry.path[:-1])
        descriptor = os.open(entry.path[-1], _READ, dir_fd=parent)
    except PermissionError as err:
        raise UnreadableTreeError((b"/".join(entry.path),)) from err
    except OSError as err:  # gone, or a link by now
        raise SourceChangedError(b"/".join(entry.path)) from err
    try:
        left = entry.size
        while left and (chunk := os.read(descriptor, min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk if left else chunk + bytes(padding_of(entry.size))
        if left or not _is_as_scanned(entry, os.fstat(descriptor)):
            raise SourceChangedError(b"/".join(entry.path))
    finally:
        os.close(descriptor)


def _is_as_scanned(entry: Entry, found: os.stat_result) -> bool:
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_ino == entry.inode
        and found.st_size == entry.size
        and found.st_mtime_ns == entry.modified
    )


assert len(_block((b"", b""), b"0", mode=0, size=0)) == BLOCK
