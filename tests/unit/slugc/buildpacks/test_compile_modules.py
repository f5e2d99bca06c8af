"""Bytecode of a buildpack's copy: compiled, or taken over from beside the original."""

from __future__ import annotations

import marshal
import os
import py_compile
import subprocess
import sys
from importlib.util import cache_from_source, source_hash
from pathlib import Path
from py_compile import PycInvalidationMode as Mode

import pytest

from slugc.buildpacks import compile_modules

SOURCE = "answer = 42\n"
OTHER = "answer = 41\n"


@pytest.fixture
def original(tmp_path: Path) -> Path:
    module = tmp_path / "original" / "pack" / "tool.py"
    module.parent.mkdir(parents=True)
    module.write_text(SOURCE)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    module = tmp_path / "copy" / "pack" / "tool.py"
    module.parent.mkdir(parents=True)
    module.write_text(SOURCE)
    return module


def compiled(copy: Path, original: Path | None) -> bytes:
    places = [copy.parent.parent, *([original.parent.parent] if original else [])]
    subprocess.run(
        [sys.executable, "-I", "-S", compile_modules.__file__, *places], check=True, timeout=60
    )
    return Path(cache_from_source(os.fspath(copy))).read_bytes()


def plant(original: Path, text: str, mode: Mode = Mode.TIMESTAMP) -> None:
    """Bytecode beside ``original`` that is of ``text``, and says it is of what stands there."""
    kept = original.read_text()
    original.write_text(text)
    status = original.stat()
    py_compile.compile(os.fspath(original), doraise=True, invalidation_mode=mode)
    original.write_text(kept)
    os.utime(original, ns=(status.st_atime_ns, status.st_mtime_ns))


def says(bytecode: bytes) -> int:
    space: dict[str, int] = {}
    exec(marshal.loads(bytecode[16:]), space)
    return space["answer"]


def test_a_module_is_compiled_and_never_checked_again(copy: Path) -> None:
    bytecode = compiled(copy, None)
    assert bytecode[4:16] == b"\1\0\0\0" + source_hash(SOURCE.encode())
    assert says(bytecode) == 42


def test_bytecode_of_the_very_source_is_taken_over(copy: Path, original: Path) -> None:
    plant(original, OTHER)  # same size and time: only from the bytecode can 41 come
    bytecode = compiled(copy, original)
    assert bytecode[4:16] == b"\1\0\0\0" + source_hash(SOURCE.encode())
    assert says(bytecode) == 41


def test_bytecode_of_an_older_source_is_not(copy: Path, original: Path) -> None:
    plant(original, OTHER)
    os.utime(original, (1_700_000_000, 1_700_000_000))
    assert says(compiled(copy, original)) == 42


def test_bytecode_of_another_source_is_not(copy: Path, original: Path) -> None:
    original.write_text(OTHER)
    py_compile.compile(os.fspath(original), doraise=True)
    assert says(compiled(copy, original)) == 42


def test_bytecode_that_is_checked_by_its_hash_is_compiled_anew(copy: Path, original: Path) -> None:
    plant(original, OTHER, Mode.CHECKED_HASH)
    assert says(compiled(copy, original)) == 42


def test_a_module_of_another_python_has_none(copy: Path) -> None:
    copy.with_name("two.py").write_text("print 'hello'\n")
    compiled(copy, None)
    assert not Path(cache_from_source(os.fspath(copy.with_name("two.py")))).exists()
