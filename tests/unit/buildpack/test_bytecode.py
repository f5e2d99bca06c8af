"""bytecode: the same sources give the same .pyc files, wherever and however they are compiled."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import sys
from pathlib import Path
from types import CodeType

import pytest

from buildpack import bytecode
from buildpack.bytecode import (
    BytecodeCompiler,
    distribution_groups,
    find_sources,
    listed_sources,
    read_bundle,
    stdlib_groups,
    with_bytecode,
)
from buildpack.runtime.interpreter import Interpreter, find_interpreters
from buildpack.support.command import Command, capture
from buildpack.support.linking import list_tree

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
    compiler(cache_dir).compile(root, distribution_groups(root, find_sources(root)))
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
    groups = distribution_groups(root, find_sources(root))
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
    assert (
        compiler(tmp_path / "cache").compile(root, distribution_groups(root, find_sources(root)))
        == 0
    )
    assert pycs(root) == first


def test_only_the_changed_group_is_compiled_again(tmp_path: Path) -> None:
    build(tmp_path / "a", tmp_path / "cache")
    root = write_sources(tmp_path / "b")
    (root / "single.py").write_text("changed = 1\n")
    assert (
        compiler(tmp_path / "cache").compile(root, distribution_groups(root, find_sources(root)))
        == 1
    )


def test_another_python_never_gets_this_ones_bytecode(tmp_path: Path) -> None:
    build(tmp_path / "a", tmp_path / "cache")
    root = write_sources(tmp_path / "b")
    assert (
        compiler(tmp_path / "cache", "two").compile(
            root, distribution_groups(root, find_sources(root))
        )
        == 2
    )


def test_nothing_but_bundles_is_left_in_the_cache(tmp_path: Path) -> None:
    build(tmp_path / "a", tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache" / "bytecode").iterdir() if p.name.startswith(".")]


PYTHONS = [
    found
    for series in ("3.11", "3.12", "3.13", "3.14")
    for found in list(find_interpreters(series, os.environ, requested=None))[:1]
]
SAMPLE = ("json", "email", "collections", "re", "typing.py", "dataclasses.py", "enum.py", "os.py")


def copy_sample(interpreter: Interpreter, root: Path) -> Path:
    for name in SAMPLE:
        source = interpreter.stdlib / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():  # re is a module before 3.11
            root.mkdir(exist_ok=True)
            shutil.copy2(source, root / name)
    return root


def compile_original(interpreter: Interpreter, root: Path, *words: str) -> None:
    script = "import typing, compileall, sys; compileall.compile_dir(sys.argv[1], quiet=1)"
    argv = (str(interpreter.executable), *words, "-I", "-c", script, str(root))
    capture(Command(argv=argv, cwd=root, env={}, timeout=60))


@pytest.mark.parametrize("interpreter", PYTHONS, ids=lambda found: str(found.version))
def test_bytecode_taken_over_is_the_same_as_bytecode_made(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    results = []
    for name in ("none", "all", "some", "columnless"):
        original = copy_sample(interpreter, tmp_path / name / "original")
        if name != "none":
            words = ("-X", "no_debug_ranges") if name == "columnless" else ()
            compile_original(interpreter, original, *words)
        if name == "some":
            for pyc in sorted(original.rglob("*.pyc"))[::3]:
                pyc.unlink()
        root = copy_sample(interpreter, tmp_path / name / "copy")
        python, cache = interpreter.executable, tmp_path / name / "cache"
        compiler = BytecodeCompiler(python=python, build_id="one", cache_dir=cache)
        compiler.compile(root, stdlib_groups(root), original=original)
        results.append(pycs(root))
    assert len(results[0]) > 20
    for other in results[1:]:
        assert [n for n in results[0] if other[n] != results[0][n]] == []


def take_over(tmp_path: Path, original: Path) -> dict[str, bytes]:
    root = write_sources(tmp_path / "copy")
    compiler(tmp_path / "cache").compile(root, stdlib_groups(root), original=original)
    return pycs(root)


def plant(original: Path, *, valid: bool) -> None:
    """Bytecode that says something else, so that it shows where it is taken."""
    write_sources(original)
    source = original / "single.py"
    pyc = Path(importlib.util.cache_from_source(str(source)))
    pyc.parent.mkdir(exist_ok=True)
    status = source.stat()
    stamp = int(status.st_mtime) if valid else 1
    head = bytes(4) + stamp.to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
    code = marshal.dumps(compile("planted = 1", "/elsewhere/single.py", "exec"))
    pyc.write_bytes(importlib.util.MAGIC_NUMBER + head + code)


def single_code(found: dict[str, bytes]) -> CodeType:
    code = marshal.loads(next(content for name, content in found.items() if "single" in name)[16:])
    assert isinstance(code, CodeType)
    return code


def test_valid_bytecode_of_the_original_is_taken_under_a_neutral_name(tmp_path: Path) -> None:
    plant(tmp_path / "original", valid=True)
    code = single_code(take_over(tmp_path, tmp_path / "original"))
    assert code.co_names == ("planted",)
    assert code.co_filename == "single.py"


def test_stale_bytecode_of_the_original_is_not_taken(tmp_path: Path) -> None:
    plant(tmp_path / "original", valid=False)
    assert "planted" not in single_code(take_over(tmp_path, tmp_path / "original")).co_names


def test_bytecode_of_another_source_is_not_taken(tmp_path: Path) -> None:
    plant(tmp_path / "original", valid=True)
    (tmp_path / "original" / "single.py").write_text("changed since it was copied\n")
    assert "planted" not in single_code(take_over(tmp_path, tmp_path / "original")).co_names


def test_damaged_bytecode_is_made_anew(tmp_path: Path) -> None:
    original = write_sources(tmp_path / "original")
    whole = take_over(tmp_path, original)
    plant(original, valid=True)
    (pyc,) = original.rglob("single*.pyc")
    pyc.write_bytes(pyc.read_bytes()[:-5])
    assert take_over(tmp_path / "again", original) == whole


def test_groups_follow_record(tmp_path: Path) -> None:
    for name in ("shared/one.py", "shared/two.py", "lonely.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for dist, name in (("one-1", "shared/one.py"), ("two-1", "shared/two.py")):
        info = tmp_path / f"{dist}.dist-info"
        info.mkdir()
        (info / "RECORD").write_text(f"{name},sha256=x,0\n{dist}.dist-info/RECORD,,\n")
    assert distribution_groups(tmp_path, find_sources(tmp_path)) == [
        ("lonely.py",),
        ("shared/one.py",),
        ("shared/two.py",),
    ]


def test_the_test_suites_of_packages_are_not_compiled(tmp_path: Path) -> None:
    for name in ("pkg/tests/test_a.py", "pkg/sub/tests/b.py", "pkg/tests.py", "tests/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert distribution_groups(tmp_path, find_sources(tmp_path)) == [
        ("pkg/tests.py",),
        ("tests/c.py",),
    ]


def test_a_listing_with_bytecode_is_what_lies_there_after_compiling(tmp_path: Path) -> None:
    root = write_sources(tmp_path / "lib/site-packages")
    (root / "alpha/data/__pycache__").mkdir(parents=True)
    (root / "alpha/data/__pycache__/own.pyc").touch()
    (root / "alpha/__pycache__").mkdir()
    (root / "alpha/__pycache__/brought.pyc").touch()
    before = list_tree(str(tmp_path))
    sources = listed_sources(before, "lib/site-packages")
    assert sources == find_sources(root)
    compiler(tmp_path / "cache").compile(root, distribution_groups(root, sources))
    after = {d: names for d, names in list_tree(str(tmp_path)) if not d.startswith(b"cache")}
    assert dict(with_bytecode(tmp_path, before)) == after
    assert len(after[b"lib/site-packages/alpha/__pycache__"]) == 4


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


def test_two_groups_of_one_directory_may_meet_in_making_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("compile_pyc", bytecode.COMPILER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    mkdir = os.mkdir

    def made_by_another(path: str) -> None:
        mkdir(path)
        mkdir(path)

    monkeypatch.setattr(module.os, "mkdir", made_by_another)
    module.write(f"{tmp_path}/__pycache__/x.pyc", b"x")
    assert (tmp_path / "__pycache__" / "x.pyc").read_bytes() == b"x"


def test_whether_a_standard_library_was_compiled_is_seen(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name in ("os.cpython-310.pyc", "os.cpython-314.pyc", "os.cpython-313.opt-1.pyc"):
        (cache / name).touch()
    assert not bytecode.has_bytecode(tmp_path)
    (cache / "os.cpython-313.pyc").touch()
    assert bytecode.has_bytecode(tmp_path)
    assert not bytecode.has_bytecode(cache)
