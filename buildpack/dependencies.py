"""The app's virtualenv: found complete in the cache, or installed and compiled there."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpack.app import App
from buildpack.bytecode import BytecodeCompiler, distribution_groups, stdlib_groups
from buildpack.cache import mark_used
from buildpack.cache_key import VenvFacts, venv_facts
from buildpack.editable import make_editables_movable
from buildpack.installers import load_installer
from buildpack.installers.base import Install
from buildpack.installers.built_in_place import restore_built_in_place
from buildpack.plan import BuildPlan
from buildpack.restoring import previous_build_dir, restore_tree
from buildpack.runtime.install import Runtime
from buildpack.support import files
from buildpack.support.output import Output
from buildpack.tools import ToolBox
from buildpack.venv import Venv, create_venv, neutralize


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyRequest:
    """Everything that decides the virtualenv."""

    app: App
    build_dir: Path
    prefix: Path
    plan: BuildPlan
    runtime: Runtime
    cache_dir: Path
    env: Mapping[str, str]

    def facts(self) -> VenvFacts:
        """What decides the virtualenv."""
        facts = venv_facts(self.app, self.runtime, self.plan.dependencies, self.env)
        return facts.plus({"the way to the app": self.way_to_app()})

    def way_to_app(self) -> str:
        """From site-packages to the app's source; it is the same wherever both are moved to."""
        venv = Venv(root=self.prefix / "venv", version=self.runtime.version)
        return os.path.relpath(self.build_dir, venv.site_packages)

    def compiler(self) -> BytecodeCompiler:
        return BytecodeCompiler(
            python=self.runtime.python, build_id=self.runtime.build_id, cache_dir=self.cache_dir
        )


def install_dependencies(
    request: DependencyRequest,
    facts: VenvFacts,
    tools: ToolBox,
    out: Output,
    *,
    ready: Path | None = None,
) -> tuple[Path, bool]:
    """The directory of the virtualenv, and whether it came from the cache.

    ``ready`` is one whose packages are installed already: all that is missing is the rest.
    """
    home = request.cache_dir / "venvs" / facts.key
    compiled = request.runtime.compiled
    if home.is_dir() and compiled.exists():
        mark_used(home)
        return home / "venv", True
    standard_library = _StandardLibrary(request.compiler(), request.runtime, compiled)
    standard_library.start()
    try:
        if not home.is_dir():
            _install(request, home, tools, out, ready)
    finally:
        standard_library.join()
    standard_library.raise_failure()
    return home / "venv", False


def _install(
    request: DependencyRequest, home: Path, tools: ToolBox, out: Output, ready: Path | None
) -> None:
    version = request.runtime.version
    with files.publishing_dir(home) as temporary:
        (temporary / "python").symlink_to(os.path.relpath(request.runtime.home, temporary))
        venv = Venv(root=temporary / "venv", version=version)
        if ready:
            ready.rename(venv.root)
        else:
            _fill(request, venv, tools, out)
        neutralize(venv)
        make_editables_movable(venv, request.build_dir, request.way_to_app())
        groups = distribution_groups(venv.site_packages)
        request.compiler().compile(venv.site_packages, groups)


def _fill(request: DependencyRequest, venv: Venv, tools: ToolBox, out: Output) -> None:
    """Make the virtualenv and have the package manager install into it."""
    create_venv(venv.root, venv.version, home=request.runtime.python.parent)
    scratch = venv.root.parent / "scratch"
    scratch.mkdir()
    install = Install(
        uv=tools.program("uv"),
        venv=venv,
        app_dir=request.app.root,
        scratch_dir=scratch,
        cache_dir=request.cache_dir,
        env=request.env,
        runtime=request.runtime,
        tools=tools,
    )
    dependencies = request.plan.dependencies
    load_installer(dependencies.manager).install(dependencies, install, out.info)
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


def restore_runtime(request: DependencyRequest) -> bool:
    """Put the runtime where the app has it, if it is complete: who waits for it need not wait."""
    if request.runtime.compiled.exists():
        _restore(request, request.runtime.home, "python")
        return True
    return False


def restore(request: DependencyRequest, venv_home: Path, *, has_runtime: bool) -> Venv:
    """Put the virtualenv where the app has it, and the runtime if that was not done before."""
    if not has_runtime:
        _restore(request, request.runtime.home, "python")
    root = _restore(request, venv_home, "venv")
    restore_built_in_place(venv_home.parent, request.app.root)
    return Venv(root=root, version=request.runtime.version)


def _restore(request: DependencyRequest, source: Path, name: str) -> Path:
    """Give the app the files of a tree in the cache; they stay the cache's own."""
    previous = previous_build_dir(request.env)
    target = request.prefix / name
    is_below = target.is_relative_to(request.build_dir)
    place = target.relative_to(request.build_dir) if is_below else None
    restore_tree(source, target, previous=previous / place if previous and place else None)
    return target
