"""bytecode: the same sources give the same .pyc files, wherever and however they are compiled."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from pathlib import Path
from types import CodeType

import pytest

from buildpack import bytecode
from buildpack.bytecode import (
    BytecodeCompiler,
    distribution_groups,
    find_sources,
    read_bundle,
    stdlib_groups,
)

SOURCES = {
    "alpha/__init__.py": "from alpha.one import name\nVALUES = frozenset({'b', 'a', None, 3})\n",
    "alpha/one.py": "name = 'shared'\ndef f(x='shared'):\n    return {'k': x, 'sys': name}\n",
    "alpha/bad.py": "def (:\n",
    "alpha/nul.py": "x = 1\0\n",
    "alpha/latin.py": "# coding: latin-1\ns = '\xe9'\n",
    "single.py": "import sys\nprint(sys, 'shared')\n",
}


def write_sources(root: Path) -> Path:
    for name, text in SOURCES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    return root


def compiler(cache_dir: Path, build_id: str = "one") -> BytecodeCompiler:
    python = Path(os.path.realpath(sys.executable))
    return BytecodeCompiler(python=python, build_id=build_id, cache_dir=cache_dir)


def pycs(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.pyc"))}


def build(root: Path, cache_dir: Path) -> dict[str, bytes]:
    write_sources(root)
    compiler(cache_dir).compile(root, stdlib_groups(root))
    return pycs(root)


def test_two_directories_give_the_same_bytes(tmp_path: Path) -> None:
    first = build(tmp_path / "a", tmp_path / "cache-a")
    second = build(tmp_path / "b" / "deeper", tmp_path / "cache-b")
    assert first == second
    assert len(first) == 4


def test_the_order_and_number_of_jobs_do_not_change_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path / "a", tmp_path / "cache-a")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    root = write_sources(tmp_path / "b")
    groups = stdlib_groups(root)
    for group in reversed(groups):
        compiler(tmp_path / "cache-b").compile(root, [group])
    assert pycs(root) == first


def test_what_does_not_compile_is_left_out(tmp_path: Path) -> None:
    names = {Path(name).name.partition(".")[0] for name in build(tmp_path / "a", tmp_path / "c")}
    assert names == {"__init__", "one", "latin", "single"}


def test_the_bytecode_is_unchecked_and_belongs_to_its_source(tmp_path: Path) -> None:
    content = next(c for n, c in build(tmp_path / "a", tmp_path / "c").items() if "single" in n)
    source = SOURCES["single.py"].encode()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == 0b01
    assert content[8:16] == importlib.util.source_hash(source)
    code = marshal.loads(content[16:])
    assert isinstance(code, CodeType)
    assert code.co_filename == "single.py"


def test_a_second_build_compiles_nothing_and_restores_the_same_bytes(tmp_path: Path) -> None:
    first = build(tmp_path / "a", tmp_path / "cache")
    root = write_sources(tmp_path / "b")
    assert compiler(tmp_path / "cache").compile(root, stdlib_groups(root)) == 0
    assert pycs(root) == first


def test_only_the_changed_group_is_compiled_again(tmp_path: Path) -> None:
    build(tmp_path / "a", tmp_path / "cache")
    root = write_sources(tmp_path / "b")
    (root / "single.py").write_text("changed = 1\n")
    assert compiler(tmp_path / "cache").compile(root, stdlib_groups(root)) == 1


def test_another_python_never_gets_this_ones_bytecode(tmp_path: Path) -> None:
    build(tmp_path / "a", tmp_path / "cache")
    root = write_sources(tmp_path / "b")
    assert compiler(tmp_path / "cache", "two").compile(root, stdlib_groups(root)) == 2


def test_nothing_but_bundles_is_left_in_the_cache(tmp_path: Path) -> None:
    build(tmp_path / "a", tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache" / "bytecode").iterdir() if p.name.startswith(".")]


def test_groups_follow_record(tmp_path: Path) -> None:
    for name in ("shared/one.py", "shared/two.py", "lonely.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for dist, name in (("one-1", "shared/one.py"), ("two-1", "shared/two.py")):
        info = tmp_path / f"{dist}.dist-info"
        info.mkdir()
        (info / "RECORD").write_text(f"{name},sha256=x,0\n{dist}.dist-info/RECORD,,\n")
    assert distribution_groups(tmp_path) == [
        ("lonely.py",),
        ("shared/one.py",),
        ("shared/two.py",),
    ]


def test_large_groups_are_cut_by_their_file_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode, "LARGEST_GROUP", 1)
    root = write_sources(tmp_path / "a")
    assert compiler(tmp_path / "cache").compile(root, stdlib_groups(root)) == len(SOURCES)


def test_site_packages_are_no_part_of_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "x.py").touch()
    (tmp_path / "os.py").touch()
    assert find_sources(tmp_path) == ["os.py"]


def test_bundles_read_back() -> None:
    bundle = b"a.pyc\x003\x00a\x00bb.pyc\x000\x00"
    assert list(read_bundle(bundle)) == [(b"a.pyc", b"a\x00b"), (b"b.pyc", b"")]
