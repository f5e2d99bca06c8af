"""The app's config vars: read from ENV_DIR, and judged by name before anything is done.

Three kinds of names need a decision:

* **Refused** (`REFUSED_NAMES`): seen by uv, pip or Python they would put packages elsewhere, or
  start another interpreter, and the build would go wrong far from its cause. All of them are named
  in one message, at the start.
* **Kept for run time** (`RUN_TIME_NAMES`): PATH, LD_LIBRARY_PATH, LD_PRELOAD and their like have
  a place among an app's config vars (a library of another buildpack, jemalloc), so they are no
  error. They speak of a running container, where the app is in /app; a build is somewhere else,
  and no program of the build sees them.
* Everything else reaches the app's hooks, collectstatic and the installer's build scripts.

BUILD_DIR, CACHE_DIR and ENV_DIR are free for apps to use; for a hook the buildpack API's own
values win.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable_path

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

LIBRARY_NAMES = (
    # What a compiler, pkg-config and the dynamic linker look into.
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    # What GDAL and GeoDjango ask for by themselves.
    "GDAL_LIBRARY_PATH", "GEOS_LIBRARY_PATH", "GDAL_DATA", "PROJ_LIB", "PROJ_DATA",
)  # fmt: skip
"""Where the machine, or a buildpack before this one (apt, geo), has libraries and headers."""

LONGEST_VALUE = 128 * 1024 - 1
"""Bytes of NAME=value that the kernel hands to a program (MAX_ARG_STRLEN, with a NUL)."""

_ELSEWHERE = "it puts packages where your app would not find them"
_OTHER_PYTHON = "the app's .python-version decides which Python is used"
_OTHER_PROJECT = "it makes uv work on another project, or in another environment"
_LIBRARY = "Python would look for its own library in the wrong place"

REFUSED_NAMES: Mapping[str, str] = {
    "PIP_PREFIX": _ELSEWHERE,
    "PIP_PYTHON": _ELSEWHERE,
    "PIP_ROOT": _ELSEWHERE,
    "PIP_TARGET": _ELSEWHERE,
    "PIP_USER": _ELSEWHERE,
    "PYTHONHOME": _LIBRARY,
    "PYTHONINSPECT": "Python would wait for somebody to type instead of ending",
    "PYTHONPLATLIBDIR": _LIBRARY,
    "UV_MANAGED_PYTHON": _OTHER_PYTHON,
    "UV_NO_MANAGED_PYTHON": _OTHER_PYTHON,
    "UV_PROJECT": _OTHER_PROJECT,
    "UV_PROJECT_ENVIRONMENT": _OTHER_PROJECT,
    "UV_PYTHON": _OTHER_PYTHON,
    "UV_PYTHON_DOWNLOADS": _OTHER_PYTHON,
    "UV_PYTHON_PREFERENCE": _OTHER_PYTHON,
    "UV_WORKING_DIRECTORY": _OTHER_PROJECT,
    "VIRTUAL_ENV": _OTHER_PROJECT,
}
"""What may not be a config var, and why."""

RUN_TIME_NAMES = frozenset(
    {
        # Which programs and libraries a process runs.
        "PATH",
        "BASH_ENV",
        "ENV",
        "GCONV_PATH",
        "IFS",
        "SHELLOPTS",
        "BASHOPTS",
        # Where a container has its home, and what its runner tells it.
        "HOME",
        "TMPDIR",
        "PWD",
        "OLDPWD",
        "PORT",
        "DYNO",
        "PS",
        # Which headers and libraries a compiler finds.
        "CPATH",
        "CPPATH",
        "LIBRARY_PATH",
        # Where tools keep what they fetched: the build has its own places, which outlive it.
        "PIP_CACHE_DIR",
        "POETRY_CACHE_DIR",
        "POETRY_DATA_DIR",
        "POETRY_HOME",
        "UV_CACHE_DIR",
        "UV_LINK_MODE",
        "UV_NO_CACHE",
        # How Poetry makes virtual environments: the build's is there already.
        "POETRY_VIRTUALENVS_CREATE",
        "POETRY_VIRTUALENVS_IN_PROJECT",
        "POETRY_VIRTUALENVS_USE_POETRY_PYTHON",
    }
)
"""Config vars that the build does not see; every name that begins with ``LD_`` is one, too."""


class ConfigVarsError(SlugkitError):
    """ENV_DIR is there and cannot be read."""

    id = "env-dir::unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            "The app's config vars cannot be read",
            details=f"{printable_path(path)}: {reason}",
            resolution="ENV_DIR is a directory with one readable file for each config var.",
        )


class UnsafeConfigVarsError(SlugkitError):
    """Config vars that would make the build go wrong: all of them, each with the reason."""

    exit_code = ExitCode.DATA
    id = "checks::unsafe-env"

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.names, self.reasons = tuple(reasons), dict(reasons)
        listing = "\n".join(f"  {name}: {reason}" for name, reason in reasons.items())
        what = "a config var" if len(reasons) == 1 else f"{len(reasons)} config vars"
        super().__init__(
            f"Your app sets {what} that a build cannot use",
            details=f"Found:\n\n{listing}",
            resolution="Unset them, then build again. On Heroku, for example:\n\n"
            f"    heroku config:unset {' '.join(reasons)}",
        )


def read_env_dir(env_dir: Path | None) -> Mapping[str, str]:
    """The app's config vars: one file each, its name the name, its content the value.

    Raises UnsafeConfigVarsError with every one that cannot be used.
    """
    if env_dir is None or not env_dir.exists():
        return {}
    config_vars: dict[str, str] = {}
    try:
        for path in sorted(env_dir.iterdir()):
            if path.is_file() and NAME.fullmatch(path.name):
                with path.open("rb") as file:
                    content = file.read(LONGEST_VALUE + 1)
                config_vars[path.name] = content.decode("utf-8", "surrogateescape")
    except OSError as err:
        raise ConfigVarsError(Path(err.filename or env_dir), err.strerror or str(err)) from err
    check_config_vars(config_vars)
    return config_vars


def check_config_vars(config_vars: Mapping[str, str]) -> None:
    """Raise for names the build refuses and values no environment can hold."""
    reasons = {}
    for name, value in sorted(config_vars.items()):
        if name in REFUSED_NAMES:
            reasons[name] = REFUSED_NAMES[name]
        elif "\0" in value:
            reasons[name] = "its value has a NUL byte, which no environment can hold"
        elif len(os.fsencode(value)) + len(name) + len("=") > LONGEST_VALUE:
            reasons[name] = "its value is longer than the 128 KiB a program can be given"
    if reasons:
        raise UnsafeConfigVarsError(reasons)


def visible_at_build(config_vars: Mapping[str, str]) -> dict[str, str]:
    """The config vars that the app's own programs see during a build."""
    return {name: value for name, value in config_vars.items() if not is_for_run_time(name)}


def is_for_run_time(name: str) -> bool:
    """Whether no program of the build may see a variable of this name."""
    return name in RUN_TIME_NAMES or name in REFUSED_NAMES or name.startswith("LD_")
