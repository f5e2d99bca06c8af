"""Reading what a program says about the libraries it loads."""

from __future__ import annotations

import struct
import sysconfig
from pathlib import Path

from buildpack.runtime.elf import Needs, read_needs
from buildpack.runtime.relocate import list_libraries, resolve_libraries

MODULES = sorted(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("_*.so"))[:12]


def elf(strings: bytes, tags: list[tuple[int, int]]) -> bytes:
    """A 64-bit file with one segment, mapped at 0x1000, and a dynamic section."""
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in [*tags, (0, 0)])
    at = 64 + 2 * 56
    size = at + len(dynamic) + len(strings)
    dynamic = dynamic.replace(
        struct.pack("<Q", 0xABCD), struct.pack("<Q", 0x1000 + size - len(strings))
    )
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2)
    )
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0x1000, 0x1000, size, size, 4096)
    section = struct.pack("<IIQQQQQQ", 2, 4, at, 0x1000 + at, 0, len(dynamic), len(dynamic), 8)
    return (head.ljust(64, b"\0") + load + section) + dynamic + strings


def test_names_and_search_directories_are_read(tmp_path: Path) -> None:
    file = tmp_path / "x.so"
    file.write_bytes(elf(b"\0libz.so.1\0$ORIGIN/../lib\0", [(5, 0xABCD), (1, 1), (29, 11)]))
    assert read_needs(file) == Needs(libraries=(b"libz.so.1",), search=(b"$ORIGIN/../lib",))


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01", elf(b"", [(1, 1)]))):
        file = tmp_path / str(number)
        file.write_bytes(content)
        assert read_needs(file) is None
    assert read_needs(tmp_path / "gone") is None


def test_asking_about_one_of_those_alike_answers_for_all() -> None:
    assert resolve_libraries(MODULES) == list_libraries(MODULES)
