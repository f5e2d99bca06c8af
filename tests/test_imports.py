"""Every module imports alone, and only downstairs (docs/ARCHITECTURE.md, section 3)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("buildpack", "slugc", "runner")

# What the runner may use of the slug compiler: the format, its store, and what both stand on.
# A machine that only runs slugs needs no compiler.
OPEN_TO_RUNNER = (
    "slugc.json_fields",
    "slugc.privileges",
    "slugc.procfile",
    "slugc.slug",
    "slugc.small_file",
    "slugc.stack",
    "slugc.store",
    "slugc.supply_chain.trust",
)

# Stands above the rooms, as a user's program does: it builds with slugc what it runs with runner.
ABOVE_ALL = ("runner.pytest_plugin",)
EXPORTED = ("slugc", "runner")

# The buildpack runs from a bare checkout with nothing but `python3`; `packaging` is fetched by
# bin/compile as a tool, so the phases before it do without.
THIRD_PARTY_OF_BUILDPACK = {"packaging"}
BEFORE_ANY_TOOL = ("buildpack.__main__", "buildpack.app", "buildpack.detect", "buildpack.tools")

# A fork for each module: it starts with nothing of ours imported, without a new interpreter, and
# without reading anew what is others'.
IMPORT_EACH = """
import contextlib, importlib, os, sys
split = sys.argv.index("--")
for name in sys.argv[1:split]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
for name in sys.argv[split + 1:]:
    pid = os.fork()
    if pid == 0:
        importlib.import_module(name)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        sys.exit(f"{name} does not import alone")
"""


def source_files() -> Mapping[str, Path]:
    """Every module of the three rooms, by its dotted name."""
    found = {}
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = source_files()


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that the import statements under ``tree`` name, ours resolved to files."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in MODULES else base


def all_imports(name: str) -> set[str]:
    return set(imported(ast.parse(MODULES[name].read_text())))


def imports_at_start(name: str) -> set[str]:
    """Without those inside functions, which wait until they are needed, or for type checkers."""
    statements = ast.parse(MODULES[name].read_text()).body
    now = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    return set(imported(ast.Module(body=list[ast.stmt](now), type_ignores=[])))


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def is_third_party(module: str) -> bool:
    top = module.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in ROOMS


def may_import(importer: str, module: str) -> bool:
    """Section 3 for modules of ours: runner -> the slug format -> the buildpack's ground floor."""
    room = importer.partition(".")[0]
    if importer in ABOVE_ALL:
        return module in EXPORTED or is_in(module, "buildpack.support")
    if module in ABOVE_ALL:
        return False
    if is_in(module, room):
        return not is_in(importer, "buildpack.support") or is_in(module, "buildpack.support")
    if is_in(module, "buildpack.support") or module == "buildpack.version":
        return room != "buildpack"
    return room == "runner" and any(is_in(module, name) for name in OPEN_TO_RUNNER)


def test_every_module_imports_alone() -> None:
    others = {each for name in MODULES for each in imports_at_start(name)}
    theirs = sorted(each for each in others if each.partition(".")[0] not in ROOMS)
    argv = [sys.executable, "-c", IMPORT_EACH, *theirs, "--", *MODULES]
    subprocess.run(argv, cwd=ROOT, check=True, timeout=400)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_downstairs(name: str) -> None:
    ours = {module for module in all_imports(name) if module.partition(".")[0] in ROOMS}
    assert {module for module in ours if not may_import(name, module)} == set()


def test_the_direction_rule_refuses_what_it_should() -> None:
    assert may_import("runner.launch", "slugc.slug")
    assert may_import("slugc.builder", "buildpack.support.command")
    assert may_import("runner.pytest_plugin", "slugc")
    assert not may_import("runner.pytest_plugin", "slugc.builder")
    assert not may_import("runner.launch", "slugc")
    assert not may_import("runner.launch", "runner.pytest_plugin")
    assert not may_import("slugc.builder", "buildpack.compile")
    assert not may_import("runner.launch", "slugc.builder")
    assert not may_import("slugc.builder", "runner.launch")
    assert not may_import("buildpack.compile", "slugc.slug")
    assert not may_import("buildpack.support.files", "buildpack.compile")


def test_the_buildpack_needs_only_the_standard_library_and_packaging() -> None:
    room = [name for name in MODULES if is_in(name, "buildpack")]
    needed = {module.partition(".")[0] for name in room for module in all_imports(name)}
    assert {top for top in needed if is_third_party(top)} <= THIRD_PARTY_OF_BUILDPACK


@pytest.mark.parametrize("name", BEFORE_ANY_TOOL)
def test_what_runs_before_any_tool_is_there_needs_the_standard_library_alone(name: str) -> None:
    assert {module for module in reachable(name) if is_third_party(module)} == set()


def reachable(name: str) -> set[str]:
    """Everything that is imported when ``name`` is, step by step."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for module in imports_at_start(waiting.pop()) - found:
            found.add(module)
            if module in MODULES:
                waiting.append(module)
    return found


def test_there_are_no_import_cycles() -> None:
    graph = {name: imports_at_start(name) & MODULES.keys() - {name} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' -> '.join(error.args[1])}")


def modules_after(argv: Sequence[str]) -> set[str]:
    """Which modules Python has imported once a command of ours has answered."""
    script = (
        "import sys, runpy\n"
        "from importlib import import_module\n"
        "try:\n    import_module(sys.argv[1]).main(sys.argv[2:])\n"
        "except SystemExit:\n    pass\n"
        "sys.stderr.write('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *argv],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("command", ["slugc.main", "runner.main"])
def test_help_imports_nothing_heavy(command: str) -> None:
    heavy = {"click", "docker", "rich", "tarfile", "tarsafe", "yaml", "pathspec", "requests"}
    assert modules_after([command, "--help"]) & heavy == set()
