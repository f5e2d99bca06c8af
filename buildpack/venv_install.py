"""Makes a virtualenv in the cache: its packages installed, its bytecode compiled."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from buildpack.bytecode import BytecodeCompiler, distribution_groups, stdlib_groups
from buildpack.cache_key import read_last_facts
from buildpack.delta import (
    bring_back_bytecode,
    clear_away,
    compare,
    exactly,
    groups_of,
    have_shared_files,
    is_comparable,
    read_installed,
)
from buildpack.dependencies import DependencyRequest, last_home, place_before
from buildpack.editable import make_editables_movable
from buildpack.installers import load_installer, requirements
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.restoring import restore_tree, taken_over
from buildpack.runtime.install import Runtime
from buildpack.sizes.trim import Trim
from buildpack.sizes.trimming import trim_venv
from buildpack.support import files
from buildpack.support.errors import SlugkitError
from buildpack.support.output import Output
from buildpack.support.values import changed
from buildpack.tools import ToolBox
from buildpack.venv import Venv, create_venv, name_home, neutralize


def install_venv(
    request: DependencyRequest, home: Path, tools: ToolBox, out: Output, ready: Path | None
) -> None:
    """Publish the virtualenv at ``home``; compile the standard library if that is not done."""
    compiled = request.runtime.compiled
    if compiled.exists():
        fill_home(request, home, tools, out, ready)
        return
    standard_library = _StandardLibrary(compiler(request), request.runtime, compiled)
    standard_library.start()
    try:
        if not home.is_dir():
            fill_home(request, home, tools, out, ready)
    finally:
        standard_library.join()
    standard_library.raise_failure()


def compiler(request: DependencyRequest) -> BytecodeCompiler:
    """For the Python of this build."""
    runtime = request.runtime
    return BytecodeCompiler(
        python=runtime.python, build_id=runtime.build_id, cache_dir=request.cache_dir
    )


def fill_home(
    request: DependencyRequest, home: Path, tools: ToolBox, out: Output, ready: Path | None
) -> None:
    version = request.runtime.version
    with files.publishing_dir(home) as temporary:
        (temporary / "python").symlink_to(os.path.relpath(request.runtime.home, temporary))
        venv = Venv(root=temporary / "venv", version=version)
        if not ready and not request.trim and update_last(request, venv, tools, out):
            return
        if ready:
            ready.rename(venv.root)
        else:
            create_venv(venv.root, version, home=request.runtime.python.parent)
            _fill(request, venv, tools, out.info)
        if have_shared_files(venv):
            _fill_in_order(request, venv, tools)
        neutralize(venv)
        make_editables_movable(venv, request.build_dir, request.way_to_app())
        trim_venv(venv, request.trim)
        if Trim.PYCACHE not in request.trim:
            groups = distribution_groups(venv.site_packages)
            compiler(request).compile(venv.site_packages, groups)


def _fill_in_order(request: DependencyRequest, venv: Venv, tools: ToolBox) -> None:
    """Install again, one distribution after the other: of those that bring the same file, which
    one wins must not depend on the time of day."""
    files.remove_tree(venv.root)
    create_venv(venv.root, venv.version, home=request.runtime.python.parent)
    in_order = changed(request, env={**request.env, "UV_CONCURRENT_INSTALLS": "1"})
    _fill(in_order, venv, tools, lambda _: None)


def update_last(request: DependencyRequest, venv: Venv, tools: ToolBox, out: Output) -> bool:
    """Make it from the last build's virtualenv (delta.py); False, and nothing there, if not."""
    last, dependencies = read_last_facts(request.cache_dir), request.plan.dependencies
    source = last_home(request) / "venv"
    if not is_comparable(last, request.facts(), dependencies) or not source.is_dir():
        return False
    lines: list[str] = []
    last_venv = Venv(root=source, version=venv.version)
    before = read_installed(last_venv)
    if before is None:
        return False
    # The last build's own is moved and made the new one: linking it takes longer than all of uv.
    if not taken_over(source, venv.root, previous=place_before(request, "venv")):
        restore_tree(source, venv.root, previous=None)
    try:
        is_done = _update(request, venv, last_venv, before, tools, lines.append)
    except (SlugkitError, OSError):
        is_done = False  # What is wrong is told by installing in earnest.
    if not is_done:
        files.remove_tree(venv.root)
        files.remove_tree(venv.root.parent / "scratch")
        return False
    for line in lines:
        out.info(line)
    return True


def _update(
    request: DependencyRequest,
    venv: Venv,
    last_venv: Venv,
    before: Mapping[str, frozenset[str]],
    tools: ToolBox,
    on_line: OnLine,
) -> bool:
    name_home(venv, request.runtime.python.parent)
    exact = exactly(request.plan.dependencies, before)
    _fill(request, venv, tools, on_line, exact, checked=frozenset(before))
    after = read_installed(venv)
    delta = compare(before, after) if after else None
    if after is None or delta is None:
        return False
    gone = frozenset().union(*(before[name] for name in delta.removed))
    if not clear_away(venv, gone, frozenset().union(*after.values())):
        return False
    kept = frozenset().union(*(after[name] for name in after.keys() & before.keys()))
    bring_back_bytecode(last_venv, venv, gone, kept)
    neutralize(venv, delta.added)
    compiler(request).compile(venv.site_packages, groups_of(venv, delta, after))
    return True


def _fill(
    request: DependencyRequest,
    venv: Venv,
    tools: ToolBox,
    on_line: OnLine,
    exact: Dependencies | None = None,
    checked: frozenset[str] = frozenset(),
) -> None:
    """Have the package manager install into it; uv, if it is to hold exactly what is required.

    What is in it already, and was ``checked`` when it came, is not looked at again.
    """
    scratch = venv.root.parent / "scratch"
    scratch.mkdir()
    install = Install(
        uv=tools.program("uv"),
        venv=venv,
        app_dir=request.app.root,
        source_dir=request.app.source,
        scratch_dir=scratch,
        cache_dir=request.cache_dir,
        env=request.env,
        runtime=request.runtime,
        tools=tools,
        checked=checked,
    )
    dependencies = request.plan.dependencies
    if exact:
        requirements.install(exact, install, on_line)
    else:
        load_installer(dependencies.manager).install(dependencies, install, on_line)
    shutil.rmtree(scratch)


class _StandardLibrary(threading.Thread):
    """Compiles the standard library while uv waits for the network."""

    def __init__(self, compiler: BytecodeCompiler, runtime: Runtime, done: Path) -> None:
        super().__init__(daemon=True)
        self.compiler, self.runtime, self.done = compiler, runtime, done
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            if not self.done.exists():
                stdlib = self.runtime.home / "lib" / f"python{self.runtime.version.series}"
                groups = stdlib_groups(stdlib)
                self.compiler.compile(stdlib, groups, original=self.runtime.copied_from)
                files.write_atomically(self.done, "")
        except Exception as err:
            self.failure = err

    def raise_failure(self) -> None:
        """What went wrong in the thread goes wrong in the build."""
        if self.failure:
            raise self.failure
