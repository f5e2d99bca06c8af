"""Makes a virtualenv in the cache: its packages installed, its bytecode compiled."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from buildpack.bytecode import BytecodeCompiler, distribution_groups, stdlib_groups
from buildpack.dependencies import DependencyRequest
from buildpack.editable import make_editables_movable
from buildpack.installers import load_installer
from buildpack.installers.base import Install
from buildpack.runtime.install import Runtime
from buildpack.support import files
from buildpack.support.output import Output
from buildpack.tools import ToolBox
from buildpack.trim import Trim
from buildpack.trimming import trim_venv
from buildpack.venv import Venv, create_venv, neutralize


def install_venv(
    request: DependencyRequest, home: Path, tools: ToolBox, out: Output, ready: Path | None
) -> None:
    """Publish the virtualenv at ``home``; compile the standard library if that is not done."""
    compiled = request.runtime.compiled
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
        if ready:
            ready.rename(venv.root)
        else:
            _fill(request, venv, tools, out)
        neutralize(venv)
        make_editables_movable(venv, request.build_dir, request.way_to_app())
        trim_venv(venv, request.trim)
        if Trim.PYCACHE not in request.trim:
            groups = distribution_groups(venv.site_packages)
            compiler(request).compile(venv.site_packages, groups)


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
