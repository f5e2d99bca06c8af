"""The app's virtualenv: found complete in the cache, or installed and compiled there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.ahead import TreesAhead, previous_build_dir
from buildpack.app import App
from buildpack.cache import mark_used
from buildpack.cache_key import VenvFacts, read_last_facts, venv_facts
from buildpack.installers.built_in_place import restore_built_in_place
from buildpack.plan import BuildPlan
from buildpack.restoring import restore_tree, tell_finished
from buildpack.runtime.install import Runtime
from buildpack.sizes.trim import OF_THE_RUNTIME, TRIM, Trim
from buildpack.support.output import Output
from buildpack.support.values import value
from buildpack.tools import ToolBox
from buildpack.venv import Venv

RUNTIME, VENV = "python", "venv"
LAYERS = {RUNTIME: "runtime", VENV: "dependencies"}
"""What a slug compiler calls them."""


@value
class DependencyRequest:
    """Everything that decides the virtualenv."""

    app: App
    build_dir: Path
    prefix: Path
    plan: BuildPlan
    runtime: Runtime
    cache_dir: Path
    env: Mapping[str, str]
    ahead: TreesAhead
    trim: tuple[Trim, ...] = ()

    def facts(self) -> VenvFacts:
        """What decides the virtualenv."""
        facts = venv_facts(self.app, self.runtime, self.plan.dependencies, self.env)
        trim = {TRIM: ",".join(self.trim)} if self.trim else {}
        return facts.plus({"the way to the app": self.way_to_app(), **trim})

    def way_to_app(self) -> str:
        """From site-packages to the app's source; it is the same wherever both are moved to."""
        venv = Venv(root=self.prefix / "venv", version=self.runtime.version)
        return os.path.relpath(self.build_dir, venv.site_packages)


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
    if (home / VENV).is_dir() and compiled.exists():
        mark_used(home)
        return home / "venv", True
    # Imported when something is installed: a build in which nothing has changed is quicker without.
    from buildpack.venv_install import install_venv

    install_venv(request, home, tools, out, ready)
    return home / "venv", False


def restore_runtime(request: DependencyRequest) -> bool:
    """Put the runtime where the app has it, if it is complete: who waits for it need not wait."""
    if request.runtime.compiled.exists():
        _restore(request, request.runtime.home, RUNTIME)
        return True
    return False


def restore(request: DependencyRequest, venv_home: Path, *, has_runtime: bool) -> Venv:
    """Put the virtualenv where the app has it, and the runtime if that was not done before."""
    if not has_runtime:
        _restore(request, request.runtime.home, RUNTIME)
    if OF_THE_RUNTIME.intersection(request.trim):
        from buildpack.sizes.trimming import trim_runtime

        trim_runtime(request.prefix / "python", request.trim)
    root = _restore(request, venv_home, VENV)
    request.ahead.end()
    restore_built_in_place(venv_home.parent, request.app.root)
    return Venv(root=root, version=request.runtime.version)


def _restore(request: DependencyRequest, source: Path, name: str) -> Path:
    """Give the app the files of a tree in the cache; they stay the cache's own."""
    target = request.prefix / name
    previous = place_before(request, name)
    is_made = restore_tree(source, target, previous=previous, ahead=request.ahead)
    # One that was taken over is packed already, and one of which files go is not as it will stay.
    if is_made and not (name == RUNTIME and OF_THE_RUNTIME.intersection(request.trim)):
        tell_finished(request.env, LAYERS[name])
    return target


def last_home(request: DependencyRequest) -> Path:
    """The directory of the virtualenv that the last build had, if it is still there."""
    last = read_last_facts(request.cache_dir)
    return request.cache_dir / "venvs" / VenvFacts(facts=last).key


def place_before(request: DependencyRequest, name: str) -> Path | None:
    """Where the last build's tree of that name would be, if somebody keeps it."""
    previous = previous_build_dir(request.env)
    target = request.prefix / name
    if previous is None or not target.is_relative_to(request.build_dir):
        return None
    return previous / target.relative_to(request.build_dir)
