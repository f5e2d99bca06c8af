"""The contract of a package manager: `read` decides what will be installed, `install` does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from buildpack.support.values import NOTHING, value

if TYPE_CHECKING:
    from buildpack.app import App
    from buildpack.package_manager import PackageManager
    from buildpack.runtime.install import Runtime
    from buildpack.settings import BuildSettings
    from buildpack.tools import ToolBox
    from buildpack.venv import Venv

OnLine = Callable[[str], None]


OF_SEVERAL_RUNS = (
    "--index-url", "--extra-index-url", "--trusted-host", "--find-links", "-e git+",
)  # fmt: skip
"""How lines of a lock's requirements begin that do not hold for all packages, or are not uv's."""


@value
class PythonRequirement:
    """One place that limits the Python version.

    ``specifier`` is PEP 440 (">=3.11,<4"); ``origin`` begins with the file's name.
    """

    specifier: str
    origin: str


@value
class Dependencies:
    """What an app's files say will be installed, read before anything is written."""

    manager: PackageManager
    source: str
    """The file that decides, as the user knows it: "poetry.lock"."""
    inputs: Mapping[str, bytes]
    """Every file that decides the result, by its name from the app directory."""
    listed: tuple[str, ...] = ()
    """The requirements as the app wrote them, for the plan."""
    local_paths: tuple[str, ...] = ()
    """Directories and archives of the app that are installed themselves."""
    requirements: str = ""
    """Requirements for uv, where a lock was translated; "" where the tool reads the file."""
    options: tuple[str, ...] = ()
    """Options of ``uv pip install`` that belong to them, such as ``--no-deps``."""
    requires_python: tuple[PythonRequirement, ...] = ()
    python_version: str = ""
    """An exact version or series inside the lock ("3.12", "3.12.4"), where it has one."""
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, str] = NOTHING
    """Choices that decide the result, such as ``{"groups": "main,prod"}``."""

    @property
    def is_one_run(self) -> bool:
        """Whether one run of uv installs it all, so that it may be begun early or done in part.

        Not where a lock has packages from several indexes, checkouts of its own, or an app that
        another program than uv installs.
        """
        if not self.requirements:
            return self.manager == "pip"
        lines = self.requirements.splitlines()
        return "root" not in self.facts and not any(x.startswith(OF_SEVERAL_RUNS) for x in lines)


@value
class Install:
    """One installation: into which virtualenv, by which tools.

    ``scratch_dir`` is empty and gone afterwards; ``cache_dir`` stays from build to build.
    """

    uv: Path
    venv: Venv
    app_dir: Path
    scratch_dir: Path
    cache_dir: Path
    env: Mapping[str, str]
    runtime: Runtime
    tools: ToolBox
    source_dir: Path | None = None
    """The whole source, where the app is a part of it."""
    may_build: bool = True
    """Whether uv may bring what building a source distribution takes."""
    checked: frozenset[str] = frozenset()
    """The .dist-info directories of what was installed, and looked at, in an earlier build."""
    held: tuple[int, ...] = ()
    """Descriptors of locks that uv holds as well, for as long as it lives."""

    @property
    def below_source(self) -> str:
        """The way from the source to the app, with a slash behind it; "" where they are one."""
        way = os.path.relpath(self.app_dir, self.source_dir or self.app_dir)
        return "" if way == "." else f"{way}/"

    def named_as_in_app(self, text: str) -> str:
        """``text`` in which copies of the app's files, in ``scratch_dir``, have their own names."""
        scratch = f"{self.scratch_dir}/"
        up = "../" * self.below_source.count("/")
        return text.replace(f"{scratch}{self.below_source}", "").replace(scratch, up)

    @property
    def uv_cache_dir(self) -> Path:
        return self.cache_dir / "uv"


class Installer(Protocol):
    """A module of this package: one package manager."""

    def read(self, app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
        """Read and check the app's files; nothing is written, nothing is fetched."""
        ...

    def install(self, dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
        """Install what was read; decides nothing."""
        ...
