"""Every phase but detect: arguments in, one function called, an exit code out."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.errors import SlugkitError, UsageError, printable_path
from buildpack.support.output import Output, wants_color

if TYPE_CHECKING:
    from buildpack.early import Early
    from buildpack.report import BuildData

ROOT = Path(__file__).resolve().parent.parent
REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ELOOP,
     errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG}
)  # fmt: skip
"""What the machine or its directories are to blame for, and not our code."""


class RefusedBySystemError(SlugkitError):
    """A directory of the build is not what it must be: read-only, full, a file, a link."""

    id = "system::refused"

    def __init__(self, err: OSError) -> None:
        self.path = os.fsdecode(err.filename or "")
        reason = (err.strerror or str(err)).lower()
        super().__init__(
            "The system refused something the build needs",
            details=f"{printable_path(self.path) if self.path else 'It says'}: {reason}.",
            resolution="The build, cache and layers directories must be directories that\n"
            "the build may write to, with room left.",
        )


def refusal_of(err: Exception) -> RefusedBySystemError | None:
    """Our error for one of the system, unless it may be our own fault.

    A disk that is full while a file is being written has no name in Python's error. Programs we
    start (strip, the compiler of bytecode) say so among much else.
    """
    from buildpack.support.command import CommandFailedError

    if isinstance(err, CommandFailedError):
        said = "\n".join(err.last_lines)
        full = next((code for code in (errno.ENOSPC, errno.EDQUOT) if os.strerror(code) in said), 0)
        return RefusedBySystemError(OSError(full, os.strerror(full))) if full else None
    if not isinstance(err, OSError) or err.errno not in REFUSALS:
        return None
    is_named = bool(err.filename) or err.errno in {errno.ENOSPC, errno.EDQUOT}
    return RefusedBySystemError(err) if is_named else None


REPORT_BUGS = "This is a bug in Slugkit. Please report it with the text above."


def main(argv: Sequence[str], early: Early | None = None) -> int:
    """Run a phase. ``bin/*`` answer 0 or 1, as the buildpack API asks.

    ``early`` is what was begun before this module was imported.
    """
    env = dict(os.environ)
    out = Output(color=wants_color(sys.stderr, env))
    try:
        return _phase(argv, early)(argv[1:], env, out)
    except KeyboardInterrupt:
        return 1
    except Exception as err:
        if known := refusal_of(err) or (err if isinstance(err, SlugkitError) else None):
            out.error(known)
            return 1
        import traceback

        out.error(
            SlugkitError(
                "Internal error",
                details=traceback.format_exc().rstrip(),
                resolution=REPORT_BUGS,
            )
        )
        return 1


Phase = Callable[[Sequence[str], Mapping[str, str], Output], int]


def _phase(argv: Sequence[str], early: Early | None) -> Phase:
    phases: Mapping[str, Phase] = {
        "compile": partial(run_compile, early=early),
        "release": run_release,
        "report": run_report,
        "test-compile": partial(run_test_compile, early=early),
        "build": run_build,
        "plan": run_plan,
    }
    name = argv[0] if argv else ""
    if name not in phases:
        known = ", ".join(["detect", *phases])
        raise UsageError(f"There is no phase '{name}'", resolution=f"The phases are: {known}.")
    return phases[name]


def run_compile(
    args: Sequence[str], env: Mapping[str, str], out: Output, *, early: Early | None = None
) -> int:
    """``bin/compile BUILD_DIR [CACHE_DIR [ENV_DIR]]``"""
    if not 1 <= len(args) <= 3:
        raise UsageError("Usage: bin/compile BUILD_DIR [CACHE_DIR [ENV_DIR]]")
    build_dir = _directory(args[0], "BUILD_DIR")
    env_dir = _absolute(args[2]) if args[2:] and args[2] else None
    if args[1:] and args[1]:
        return _compile(build_dir, _absolute(args[1]), env_dir, env, out, early)
    import tempfile

    # Nothing is kept from build to build then, but tools and trees must be somewhere.
    with tempfile.TemporaryDirectory(prefix="slugkit-cache-") as cache_dir:
        return _compile(build_dir, _absolute(cache_dir), env_dir, env, out, None)


def _compile(
    build_dir: Path,
    cache_dir: Path,
    env_dir: Path | None,
    env: Mapping[str, str],
    out: Output,
    early: Early | None,
) -> int:
    cache_dir.mkdir(parents=True, exist_ok=True)
    from buildpack.ahead import TreesAhead

    ahead = TreesAhead(cache_dir, early)

    def compile_it(data: BuildData) -> None:
        from buildpack.compile import BuildDirs, compile_app

        dirs = BuildDirs(
            build_dir=build_dir, cache_dir=cache_dir, env_dir=env_dir, buildpack_dir=ROOT
        )
        try:
            compile_app(dirs, env, data, out, ahead)
        finally:
            ahead.end()

    _recorded(cache_dir, compile_it, out, held=early.lock if early else None)
    return 0


def run_build(args: Sequence[str], env: Mapping[str, str], out: Output) -> int:
    """``bin/build LAYERS_DIR PLATFORM_DIR BUILD_PLAN``: the build of a CNB lifecycle."""
    from buildpack.cnb.dirs import read_dirs, unlink_cache
    from buildpack.own_bytecode import keep_bytecode

    dirs = read_dirs(args, env, Path.cwd(), ROOT)
    unlink_cache(dirs)
    dirs.cache_dir.mkdir(parents=True, exist_ok=True)
    keep_bytecode(str(dirs.cache_dir))
    from buildpack.cnb.build import build_app

    def build_it(data: BuildData) -> None:
        build_app(dirs, env, data, out)

    _recorded(dirs.cache_dir, build_it, out)
    return 0


def _recorded(
    cache_dir: Path,
    build: Callable[[BuildData], None],
    out: Output,
    *,
    held: int | None = None,
) -> None:
    """Run ``build`` with the cache to itself; what happened is kept, also after a failure.

    ``held`` is the lock of the cache, if we have it already.
    """
    from buildpack.hooks import end_what_is_left
    from buildpack.report import BuildData
    from buildpack.support.leftovers import read_descendants
    from buildpack.support.locks import locked

    data, before = BuildData(), read_descendants()
    try:
        with locked(cache_dir / "lock", held=held):
            try:
                build(data)
            finally:
                end_what_is_left(before, data.facts, out.info)
    except Exception as err:
        known = refusal_of(err) or (err if isinstance(err, SlugkitError) else None)
        reason = getattr(known, "reason_id", known.id) if known else "internal-error::unhandled"
        data.set("failure_reason", reason)
        data.set("failure_detail", known.brief if known else repr(err))
        raise
    finally:
        data.save(cache_dir)


def run_test_compile(
    args: Sequence[str], env: Mapping[str, str], out: Output, *, early: Early | None = None
) -> int:
    """``bin/test-compile``: as compile, with what tests need and without static files."""
    ours = {
        "INSTALL_TEST": "1",
        "DISABLE_COLLECTSTATIC": "1",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }
    return run_compile(args, {**env, **ours}, out, early=early)


def run_release(args: Sequence[str], env: Mapping[str, str], out: Output) -> int:
    """``bin/release BUILD_DIR``: YAML on standard output. herokuish adds the cache directory."""
    from buildpack.release import default_process_types, release_yaml

    if not 1 <= len(args) <= 2:
        raise UsageError("Usage: bin/release BUILD_DIR")
    build_dir = _directory(args[0], "BUILD_DIR")
    out.out.write(release_yaml(default_process_types(build_dir)))
    return 0


def run_report(args: Sequence[str], env: Mapping[str, str], out: Output) -> int:
    """``bin/report BUILD_DIR CACHE_DIR [ENV_DIR]``: JSON on standard output."""
    from buildpack.report import read_build_data

    if not 2 <= len(args) <= 3:
        raise UsageError("Usage: bin/report BUILD_DIR CACHE_DIR [ENV_DIR]")
    out.out.write(read_build_data(_absolute(args[1])))
    return 0


def run_plan(args: Sequence[str], env: Mapping[str, str], out: Output) -> int:
    """``python3 -m buildpack plan DIR``: the plan as JSON, nothing done."""
    import tempfile
    from datetime import UTC, datetime

    from buildpack.packaging_finder import make_packaging_importable
    from buildpack.plan import plan_build
    from buildpack.settings import open_app, read_settings
    from buildpack.tools import ToolBox
    from buildpack.versions.python_version import read_policy

    if len(args) != 1:
        raise UsageError("Usage: python3 -m buildpack plan DIR")
    settings = read_settings(env, {})
    app = open_app(_directory(args[0], "DIR"), settings)
    with tempfile.TemporaryDirectory(prefix="slugkit-plan-") as directory:
        make_packaging_importable(ToolBox(directory=Path(directory), env=env))
        plan = plan_build(app, settings, env, read_policy(env, datetime.now(UTC).date()))
    out.out.write(json.dumps(plan.as_json(), indent=2) + "\n")
    return 0


def _directory(text: str, name: str) -> Path:
    path = _absolute(text)
    if not path.is_dir():
        raise UsageError(f"{name} is not a directory: {path}")
    return path


def _absolute(text: str) -> Path:
    return Path(os.path.realpath(text))
