"""Makes a virtualenv in the cache: its packages installed, its bytecode compiled."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from buildpack.bytecode import (
    BytecodeCompiler,
    distribution_groups,
    listed_sources,
    stdlib_groups,
    with_bytecode,
)
from buildpack.cache import set_aside
from buildpack.cache_key import read_last_facts
from buildpack.delta import (
    compare,
    groups_of,
    has_empty_directory,
    have_other_hashes,
    have_shared_files,
    is_comparable,
    list_added,
    listed_anew,
    make_new,
    make_stand_in,
    read_installed,
    write_hashes,
)
from buildpack.dependencies import DependencyRequest, last_home, place_before
from buildpack.editable import make_editables_movable
from buildpack.head_start import PLACE as HEAD_START
from buildpack.head_start import forget_built, has_built, link_python, place_taken
from buildpack.installers import load_installer, requirements
from buildpack.installers.base import Install, OnLine
from buildpack.pins import only_what_is_new
from buildpack.restoring import taken_over, tree_listing, write_listing
from buildpack.runtime.install import Runtime
from buildpack.sizes.summary import LAST_SIZES_FILE, SIZES_FILE
from buildpack.sizes.trim import Trim
from buildpack.sizes.trimming import trim_venv
from buildpack.support import files
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import SlugkitError
from buildpack.support.linking import list_tree
from buildpack.support.locks import LockTimeoutError
from buildpack.support.output import Output
from buildpack.support.values import changed
from buildpack.tools import ToolBox
from buildpack.venv import Venv, create_venv, neutralize


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
        if not (home / "venv").is_dir():
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
    remove_tree(home)  # what is left of one that somebody has taken away
    with files.publishing_dir(home) as temporary:
        (temporary / "python").symlink_to(os.path.relpath(request.runtime.home, temporary))
        write_hashes(temporary, request.plan.dependencies)
        venv = Venv(root=temporary / "venv", version=version)
        if not ready and not request.trim and update_last(request, home, venv, tools, out):
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
        _compile_and_list(request, venv)


def _compile_and_list(request: DependencyRequest, venv: Venv) -> None:
    """Compile what is installed, and note all there is then: the directories are gone through
    once, as some packages have thousands."""
    listing = list_tree(str(venv.root))
    if Trim.PYCACHE not in request.trim:
        site_packages = venv.site_packages
        sources = listed_sources(listing, str(site_packages.relative_to(venv.root)))
        groups = distribution_groups(site_packages, sources)
        compiler(request).compile(site_packages, groups)
        listing = with_bytecode(venv.root, listing)
    write_listing(venv.root, listing)


def _fill_in_order(request: DependencyRequest, venv: Venv, tools: ToolBox) -> None:
    """Install again, one distribution after the other: of those that bring the same file, which
    one wins must not depend on the time of day."""
    remove_tree(venv.root)
    create_venv(venv.root, venv.version, home=request.runtime.python.parent)
    in_order = changed(request, env={**request.env, "UV_CONCURRENT_INSTALLS": "1"})
    _fill(in_order, venv, tools, lambda _: None)


def update_last(
    request: DependencyRequest, home: Path, venv: Venv, tools: ToolBox, out: Output
) -> bool:
    """Make it from the last build's virtualenv (delta.py), which is not kept; False, and nothing
    there, if that cannot be. It will be published at ``home``."""
    last, dependencies = read_last_facts(request.cache_dir), request.plan.dependencies
    source = last_home(request) / "venv"
    if not is_comparable(last, request.facts(), dependencies) or not source.is_dir():
        return False
    before = read_installed(Venv(root=source, version=venv.version))
    if before is None:
        return False
    lines: list[str] = []
    try:
        trees = _update(request, source, venv, before, tools, lines.append)
    except LockTimeoutError:
        return False  # Nothing was begun: the place is not ours.
    except (SlugkitError, OSError):
        trees = ()  # What is wrong is told by installing in earnest.
    remove_tree(request.cache_dir / HEAD_START)
    if not trees:
        remove_tree(venv.root)
        return False
    for copy in trees[1:]:
        request.ahead.holds(home / "venv", copy)
    for line in lines:
        out.info(line)
    return True


def _update(
    request: DependencyRequest,
    source: Path,
    venv: Venv,
    before: Mapping[str, frozenset[str]],
    tools: ToolBox,
    on_line: OnLine,
) -> tuple[Path, ...]:
    """The new virtualenv's tree, and a copy of it where there was one of the last; () if not."""
    last = Venv(root=source, version=venv.version)
    with place_taken(request.cache_dir) as lock:
        stand_in = _filled_stand_in(request, last, before, tools, on_line, lock)
    after = None if stand_in is None else read_installed(stand_in, before)
    delta = None if after is None else compare(before, after)
    if stand_in is None or after is None or delta is None:
        return ()
    kept = after.keys() & before.keys()
    if have_other_hashes(source.parent, request.plan.dependencies, kept):
        return ()
    neutralize(stand_in, delta.added)
    compiler(request).compile(stand_in.site_packages, groups_of(stand_in, delta, after))
    added = list_added(stand_in, kept)
    gone = frozenset().union(*(before[name] for name in delta.removed))
    listing = tree_listing(source)
    if delta.removed and has_empty_directory(listing):
        return ()
    trees = _trees_of_last(request, source, venv.root)
    for tree in trees:
        lost = make_new(Venv(root=tree, version=venv.version), gone, stand_in, added)
    write_listing(venv.root, listed_anew(listing, lost, added))
    return trees


def _filled_stand_in(
    request: DependencyRequest,
    last: Venv,
    before: Mapping[str, frozenset[str]],
    tools: ToolBox,
    on_line: OnLine,
    lock: int,
) -> Venv | None:
    """The stand-in after uv has worked on it; None if it built with a Python that is not ours."""
    place = request.cache_dir / HEAD_START
    python, may_build = _python_of_stand_in(request)
    link_python(place, last.version, python)
    stand_in = make_stand_in(last, place / "venv", before, home=python.parent)
    install = _installation(request, stand_in, tools)
    install = changed(install, checked=frozenset(before), may_build=may_build, held=(lock,))
    wanted = only_what_is_new(request.plan.dependencies, before, install)
    try:
        requirements.install(wanted, install, on_line)
    finally:
        is_spoilt = not may_build and forget_built(install.uv_cache_dir)
    return None if is_spoilt else stand_in


def _python_of_stand_in(request: DependencyRequest) -> tuple[Path, bool]:
    """The Python that uv is to see, and whether it may build with it.

    The build machine's own one, if ours is a copy of that: a head start has used it at that place,
    and to look at one that it has not seen takes uv longer than all else.
    """
    host = request.runtime.interpreter
    if host is None or has_built(request.cache_dir / "uv"):
        return request.runtime.python, True
    return host, False


def _trees_of_last(request: DependencyRequest, source: Path, target: Path) -> tuple[Path, ...]:
    """The last virtualenv's own tree, moved to ``target``; its copy too, where it has one.

    Its entry leaves the cache first, so that none is ever half there.
    """
    copy = request.ahead.place / "venv"
    previous = place_before(request, "venv")
    has_copy = taken_over(source, copy, previous=previous) or request.ahead.copy_of(source)
    aside = set_aside(source.parent)
    (aside / "venv").rename(target)
    with contextlib.suppress(FileNotFoundError):
        (aside / SIZES_FILE).rename(target.with_name(LAST_SIZES_FILE))
    return (target, copy) if has_copy else (target,)


def _fill(request: DependencyRequest, venv: Venv, tools: ToolBox, on_line: OnLine) -> None:
    """Have the package manager install into it."""
    install = _installation(request, venv, tools)
    dependencies = request.plan.dependencies
    load_installer(dependencies.manager).install(dependencies, install, on_line)
    remove_tree(install.scratch_dir)


def _installation(request: DependencyRequest, venv: Venv, tools: ToolBox) -> Install:
    scratch = venv.root.parent / "scratch"
    scratch.mkdir()
    return Install(
        uv=tools.program("uv"),
        venv=venv,
        app_dir=request.app.root,
        source_dir=request.app.source,
        scratch_dir=scratch,
        cache_dir=request.cache_dir,
        env=request.env,
        runtime=request.runtime,
        tools=tools,
    )


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
