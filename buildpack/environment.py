"""Environments: what installers and the app's programs see, what a container starts with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from buildpack.config_vars import (
    LIBRARY_NAMES,
    ConfigVarsError,
    UnsafeConfigVarsError,
    is_for_run_time,
    read_env_dir,
    visible_at_build,
)
from buildpack.support import files
from buildpack.support.secrets import secret_values

__all__ = [
    "ConfigVarsError",
    "UnsafeConfigVarsError",
    "app_env",
    "install_settings",
    "read_env_dir",
    "secret_values",
    "visible_at_build",
    "write_export",
    "write_profile_d",
]

PROFILE_SCRIPT = Path(__file__).parent / "data" / "profile.sh"

INHERITED_NAMES = (
    # Who and where we are.
    "HOME",
    "TMPDIR",
    "STACK",
    "SOURCE_VERSION",
    "SOURCE_DATE_EPOCH",
    "CI",
    # What settings of Django load, and hooks compile against.
    *LIBRARY_NAMES,
    # How to reach the network from here: NLTK data, a hook that downloads.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    *(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")),
    *(f"{kind}_proxy" for kind in ("http", "https", "all", "no")),
)
"""What the app's programs have from the build machine; config vars of these names win."""


def install_settings(env: Mapping[str, str], config_vars: Mapping[str, str]) -> dict[str, str]:
    """What installers and tools see: the build machine's environment, config vars on top.

    Every config var is there, as requirements may name it (``${TOKEN}``) and a package's build
    script may want it, but for those a build must not see. What an earlier buildpack or the
    machine has set of that kind is dropped as well, apart from PATH and what says where we are.
    """
    machine = {name: value for name, value in env.items() if not _is_inherited_danger(name)}
    return {**machine, **visible_at_build(config_vars)}


def _is_inherited_danger(name: str) -> bool:
    return name in {"PYTHONPATH", "BASH_ENV", "ENV"} or (
        is_for_run_time(name) and name not in KEPT_OF_THE_MACHINE
    )


KEPT_OF_THE_MACHINE = frozenset({"PATH", "HOME", "TMPDIR", "PWD", *LIBRARY_NAMES})
"""The machine's own, or an earlier buildpack's."""


def app_env(env: Mapping[str, str], config_vars: Mapping[str, str], prefix: Path) -> dict[str, str]:
    """What a program of the app sees during the build: config vars, our Python first on PATH.

    ``prefix`` is the directory that holds python/ and venv/.
    """
    path = env.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {
        **{name: env[name] for name in INHERITED_NAMES if name in env},
        "LANG": env.get("LANG") or "C.UTF-8",
        **visible_at_build(config_vars),
        "PATH": f"{prefix}/venv/bin:{prefix}/python/bin:{path}",
        "PYTHONUNBUFFERED": "1",
        # Bytecode written now would carry times and the build path into the slug.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Order of sets in what an app generates must not differ from build to build.
        "PYTHONHASHSEED": config_vars.get("PYTHONHASHSEED", "0"),
    }


def write_profile_d(build_dir: Path) -> None:
    """What every container runs before its command, in terms of $HOME alone."""
    target = build_dir / ".profile.d" / "python.sh"
    files.write_whole(target, PROFILE_SCRIPT.read_bytes())


def export_script(build_dir: Path) -> str:
    """What the next buildpack of this build should have in its environment; sourced by bash.

    To source it twice changes nothing: the one who drives the buildpacks may.
    """
    heroku = build_dir / ".heroku"
    lines = ["# Written by the Python buildpack, for the buildpacks that come after it."]
    for directory in (heroku / "python" / "bin", heroku / "venv" / "bin"):
        path = shlex.quote(str(directory))
        lines.append(f'case ":$PATH:" in *:{path}:*) ;; *) export PATH={path}:"$PATH" ;; esac')
    lines.append("export PYTHONUNBUFFERED=true")
    lines.append('export LANG="${LANG:-C.UTF-8}"')
    if (heroku / "nltk_data").is_dir():
        nltk_data = shlex.quote(str(heroku / "nltk_data"))
        lines.append(f'[ -n "${{NLTK_DATA:-}}" ] || export NLTK_DATA={nltk_data}')
    return "\n".join([*lines, ""])


def write_export(buildpack_dir: Path, build_dir: Path) -> bool:
    """Leave ``export_script`` where whoever drives the buildpacks looks for it; says whether.

    Slug compilers give every build a copy of the buildpack to write this into, or a checkout, where
    git ignores it. The copy inside an installed slugc is nobody's to write to.
    """
    if buildpack_dir.name == "_buildpack" or not os.access(buildpack_dir, os.W_OK):
        return False
    files.write_whole(buildpack_dir / "export", export_script(build_dir))
    return True
