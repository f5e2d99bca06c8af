"""What a program or an extension module says about the libraries it loads (System V ABI, part 5).

Only to tell which files say the same: what those names lead to is the loader's business.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from buildpack.support.values import value

LITTLE_64 = b"\x7fELF\x02\x01"
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH = 1, 5, 15, 29
LONGEST_NAME = 4096


@value
class Needs:
    """The names of libraries, in loading order, and the directories that are searched first."""

    libraries: tuple[bytes, ...]
    search: tuple[bytes, ...]


def read_needs(path: Path) -> Needs | None:
    """What the file says; None unless it is a dynamic 64-bit little-endian one."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except (OSError, struct.error, ValueError):
        return None


def _read(file: BinaryIO) -> Needs | None:
    head = _at(file, 0, 64)
    if not head.startswith(LITTLE_64):
        return None
    table, entry_size, count = (
        *struct.unpack_from("<Q", head, 32),
        *struct.unpack_from("<HH", head, 54),
    )
    loads, dynamic = [], None
    for raw in struct.iter_unpack("<IIQQQQQQ", _at(file, table, entry_size * count)):
        kind, _, offset, address, _, size, _, _ = raw
        if kind == PT_LOAD:
            loads.append((address, size, offset))
        elif kind == PT_DYNAMIC:
            dynamic = _at(file, offset, size - size % 16)
    if dynamic is None:
        return None
    tags = list(struct.iter_unpack("<qQ", dynamic))
    strings = _offset_of(dict(tags).get(DT_STRTAB, 0), loads)
    return Needs(
        libraries=tuple(_string(file, strings + v) for tag, v in tags if tag == DT_NEEDED),
        search=tuple(
            _string(file, strings + v) for tag, v in tags if tag in {DT_RPATH, DT_RUNPATH}
        ),
    )


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _offset_of(address: int, loads: list[tuple[int, int, int]]) -> int:
    for start, size, offset in loads:
        if start <= address < start + size:
            return address - start + offset
    raise ValueError("the string table is not in the file")


def _string(file: BinaryIO, offset: int) -> bytes:
    found = _at(file, offset, LONGEST_NAME)
    return found[: found.index(b"\0")]
