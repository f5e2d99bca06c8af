"""The app's virtualenv: found complete in the cache, or installed and compiled there."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpack.app import App
from buildpack.bytecode import BytecodeCompiler, distribution_groups, stdlib_groups
from buildpack.cache import mark_used, venv_key
from buildpack.editable import make_editables_movable
from buildpack.installers.base import Install
from buildpack.installers.requirements import install_requirements
from buildpack.plan import BuildPlan
from buildpack.requirements_file import RequirementFiles, check_requirement_files
from buildpack.runtime.install import Runtime
from buildpack.support import files
from buildpack.support.output import Output
from buildpack.tools import ToolBox
from buildpack.venv import Venv, create_venv, neutralize


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyRequest:
    """Everything that decides the virtualenv."""

    app: App
    plan: BuildPlan
    runtime: Runtime
    cache_dir: Path
    env: Mapping[str, str]

    def home(self) -> Path:
        """Where the complete virtualenv is, or will be."""
        key = venv_key(self.app, self.runtime, self.plan.requirements, self.env)
        return self.cache_dir / "venvs" / key

    def compiler(self) -> BytecodeCompiler:
        return BytecodeCompiler(
            python=self.runtime.python, build_id=self.runtime.build_id, cache_dir=self.cache_dir
        )


def install_dependencies(
    request: DependencyRequest, tools: ToolBox, out: Output
) -> tuple[Path, bool]:
    """The directory of the virtualenv, and whether it came from the cache."""
    home = request.home()
    compiled = request.runtime.home.parent / "bytecode"
    if home.is_dir() and compiled.exists():
        mark_used(home)
        return home / "venv", True
    check_requirements(request.plan.requirements, tools)
    standard_library = _StandardLibrary(request.compiler(), request.runtime, compiled)
    standard_library.start()
    try:
        if not home.is_dir():
            _install(request, home, tools, out)
    finally:
        standard_library.join()
    standard_library.raise_failure()
    return home / "venv", False


def check_requirements(found: RequirementFiles, tools: ToolBox) -> None:
    """Every line that makes no sense, before anything is downloaded for it."""
    path = str(tools.ensure("packaging"))
    if path not in sys.path:
        sys.path.append(path)
    from packaging.requirements import InvalidRequirement, Requirement

    check_requirement_files(found, Requirement, InvalidRequirement)


def _install(request: DependencyRequest, home: Path, tools: ToolBox, out: Output) -> None:
    version = request.runtime.version
    with files.publishing_dir(home) as temporary:
        (temporary / "python").symlink_to(os.path.relpath(request.runtime.home, temporary))
        venv = create_venv(temporary / "venv", version, home=request.runtime.python.parent)
        install = Install(
            uv=tools.program("uv"),
            venv=venv,
            app_dir=request.app.root,
            scratch_dir=temporary,
            cache_dir=request.cache_dir,
            env=request.env,
            runtime=request.runtime,
            tools=tools,
        )
        hashes = ["--require-hashes"] if request.plan.requirements.has_hashes() else []
        install_requirements(install, out.info, arguments=(*hashes, "-r", "requirements.txt"))
        neutralize(venv)
        make_editables_movable(venv, request.app.root)
        groups = distribution_groups(venv.site_packages)
        request.compiler().compile(venv.site_packages, groups)


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


def restore(request: DependencyRequest, venv_home: Path, build_dir: Path) -> Venv:
    """Put runtime and virtualenv into the build directory, as hard links to the cache."""
    files.link_tree(request.runtime.home, build_dir / ".heroku" / "python")
    target = build_dir / ".heroku" / "venv"
    files.link_tree(venv_home, target)
    return Venv(root=target, version=request.runtime.version)
