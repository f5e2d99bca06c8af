"""What the dynamic loader says of a Python and its extension modules."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from buildpack.runtime.libraries import find_libraries, parse_listing

PYTHON = Path(os.path.realpath(sys.executable))
MODULES = sorted(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("_*.so"))


def named(name: str) -> Path:
    return next(module for module in MODULES if module.name.startswith(f"{name}."))


def test_the_loaders_listing_is_read() -> None:
    text = (
        "\tlinux-vdso.so.1 (0x1)\n\t./_zlib.so (0x2)\n\tlibz.so.1 => /lib/libz.so.1 (0x3)\n"
        "\tlibgone.so => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x4)\n"
    )
    assert parse_listing(text) == {"libz.so.1": Path("/lib/libz.so.1"), "libgone.so": None}


def test_what_modules_load_is_found_with_one_question() -> None:
    alone, _ = find_libraries(PYTHON, [])
    found, lacking = find_libraries(PYTHON, [named("_ssl"), named("_sqlite3")])
    added = {name.partition(".")[0] for name in found.keys() - alone.keys()}
    assert {"libssl", "libsqlite3"} <= added
    assert all(path.is_file() for path in found.values())
    assert lacking == []


def test_a_module_whose_library_is_gone_is_named_and_the_others_are_not(tmp_path: Path) -> None:
    place = tmp_path / "a place: with both"
    place.mkdir()
    broken, whole = place / "_ssl.so", place / "_sqlite3.so"
    shutil.copy(named("_sqlite3"), whole)
    content = named("_ssl").read_bytes()
    broken.write_bytes(content.replace(b"\0libssl.so", b"\0libgon.so"))
    assert broken.read_bytes() != content
    found, lacking = find_libraries(PYTHON, [broken, whole])
    assert lacking == [broken]
    names = {name.partition(".")[0] for name in found}
    assert "libsqlite3" in names
    assert not {"libssl", "libgon"} & names


def test_a_module_whose_library_is_broken_is_named_and_the_others_are_not(tmp_path: Path) -> None:
    broken, whole = tmp_path / "_sqlite3.so", tmp_path / "_ssl.so"
    shutil.copy(named("_ssl"), whole)
    content = named("_sqlite3").read_bytes()
    broken.write_bytes(content.replace(b"\0libsqlite3.so.0", b"\0./sqlitelibs.so"))
    assert broken.read_bytes() != content
    (tmp_path / "sqlitelibs.so").touch()
    found, lacking = find_libraries(PYTHON, [broken, whole])
    assert lacking == [broken]
    assert "libssl" in {name.partition(".")[0] for name in found}


def test_what_is_no_module_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("INPUT(libz.so)")
    assert find_libraries(PYTHON, [tmp_path / "text.so"]) == find_libraries(PYTHON, [])
