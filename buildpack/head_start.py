"""Installs the app's packages while the Python they are for is still being copied.

uv runs with the interpreter that is being copied: same version, same wheels. But nothing may be
built with it, as what is built remembers where its Python was. So uv may not bring what builds need
(it fails then), and where something was built all the same, all of it is thrown away. Whatever goes
wrong here goes wrong again, and is told, when the packages are installed in earnest.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.runtime.install import Runtime
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import SlugkitError
from buildpack.support.locks import open_locked
from buildpack.tools import ToolBox
from buildpack.venv import create_venv
from buildpack.versions.python_version import PythonVersion

if TYPE_CHECKING:
    from buildpack.runtime.interpreter import Interpreter

PLACE = "head-start"
"""In the cache. uv remembers what it has found out about a Python by its path."""
PATIENCE = 2.0
"""Seconds that are waited for the uv of a build that was killed."""
PROGRESS = ("Downloading", "Downloaded")


class HeadStart:
    """``begin`` it as soon as the interpreter is known, ``finish`` it before installing."""

    def __init__(
        self,
        *,
        app: App,
        dependencies: Dependencies,
        cache_dir: Path,
        env: Mapping[str, str],
        tools: ToolBox,
    ) -> None:
        self.app, self.dependencies, self.cache_dir = app, dependencies, cache_dir
        self.env, self.tools = env, tools
        self._thread: threading.Thread | None = None
        self._lines: list[str] = []
        self._show: OnLine | None = None
        self._lock = threading.Lock()
        self._has_place = False
        self._version = ""
        """Of the Python whose packages are installed; empty until they are."""

    @property
    def _place(self) -> Path:
        return self.cache_dir / PLACE

    @property
    def _uv_cache(self) -> Path:
        return self.cache_dir / "uv"

    def begin(self, interpreter: Interpreter) -> None:
        """Start in a thread, if one run of uv installs it all and none has built before."""
        if self.dependencies.is_one_run and not has_built(self._uv_cache):
            self._thread = threading.Thread(target=self._run, args=(interpreter,), daemon=True)
            self._thread.start()

    def finish(self, runtime: Runtime, on_line: OnLine) -> Path | None:
        """The virtualenv of the installed packages, if there is one for ``runtime``."""
        if self._thread is None:
            return None
        with self._lock:
            self._show = on_line
            for line in filter(is_progress, self._lines):
                on_line(line)
        self._thread.join()
        if forget_built(self._uv_cache):
            return None
        if self._version != str(runtime.version) or runtime.provider != "host":
            return None
        for line in self._lines:
            if not is_progress(line):
                on_line(line)
        return self._place / "venv"

    def discard(self) -> None:
        """Remove what was not taken."""
        if self._thread:
            self._thread.join()
        if self._has_place:
            remove_tree(self._place)

    def _run(self, interpreter: Interpreter) -> None:
        try:
            self._install(interpreter)
        except (SlugkitError, OSError):
            return  # What is wrong is told by installing in earnest.
        self._version = str(interpreter.version)

    def _install(self, interpreter: Interpreter) -> None:
        from buildpack.installers.requirements import install

        with place_taken(self.cache_dir) as lock:
            self._has_place = True
            install(self.dependencies, self._installation(interpreter, lock), self._take)

    def _installation(self, interpreter: Interpreter, lock: int) -> Install:
        version, scratch = interpreter.version, self._place / "scratch"
        link_python(self._place, version, interpreter.executable)
        scratch.mkdir()
        return Install(
            uv=self.tools.program("uv"),
            venv=create_venv(self._place / "venv", version, home=interpreter.executable.parent),
            app_dir=self.app.root,
            source_dir=self.app.source,
            scratch_dir=scratch,
            cache_dir=self.cache_dir,
            env=self.env,
            runtime=Runtime(
                home=self._place / "python", version=version, provider="", build_id="", reason=""
            ),
            tools=self.tools,
            may_build=False,
            held=(lock,),
        )

    def _take(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
            if self._show and is_progress(line):
                self._show(line)


@contextlib.contextmanager
def place_taken(cache_dir: Path) -> Iterator[int]:
    """The lock of the place, for uv to hold with us.

    A build that is killed leaves its uv at work, which would go on in the place of the next, by
    the same names. Raises LockTimeoutError where that takes longer than one would wait.
    """
    lock = open_locked(cache_dir / f"{PLACE}.lock", timeout=PATIENCE)
    try:
        yield lock
    finally:
        os.close(lock)


def link_python(place: Path, version: PythonVersion, executable: Path) -> None:
    """Make ``place`` anew, with a Python for the virtualenv that will be made in it."""
    remove_tree(place)  # of a build that was killed
    program = place / "python" / "bin" / f"python{version.series}"
    program.parent.mkdir(parents=True)
    program.symlink_to(executable)


def is_progress(line: str) -> bool:
    """A line that helps to wait, whatever comes of it."""
    return line.strip().startswith(PROGRESS)


def has_built(uv_cache: Path) -> bool:
    """Whether uv keeps anything there that was made from a source distribution."""
    return any(not path.name.startswith(".") for path in uv_cache.glob("sdists-*/*"))


def forget_built(uv_cache: Path) -> bool:
    """Whether something was built where nothing may be; uv does not keep it then."""
    is_built = has_built(uv_cache)
    if is_built:
        remove_tree(uv_cache)
    return is_built
