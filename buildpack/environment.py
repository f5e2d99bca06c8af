"""Environments: what ENV_DIR says, what the app's programs see, what a container starts with."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from buildpack.support import files
from buildpack.support.errors import SlugkitError, printable

REFUSED_NAMES = frozenset(
    {
        # Which programs and libraries the build itself runs.
        "PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "BASH_ENV",
        "ENV",
        "IFS",
        # Which headers and libraries a compiler finds.
        "CPATH",
        "CPPATH",
        "LIBRARY_PATH",
        # Which standard library our Python finds.
        "PYTHONHOME",
        "VIRTUAL_ENV",
        # What the buildpack API itself sets.
        "BUILD_DIR",
        "CACHE_DIR",
        "ENV_DIR",
    }
)
"""Config vars with these names stay for run time; the build never sees them."""

INSTALL_NAMES = re.compile(
    r"(PIP|UV)_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST"
    r"|INSECURE_HOST|KEYRING_PROVIDER|EXCLUDE_NEWER|REQUIRE_HASHES)|UV_INDEX_\w+_(USERNAME|PASSWORD)"
)
"""Config vars that reach the installer: where packages come from, and nothing else."""

PROFILE_SCRIPT = Path(__file__).parent / "data" / "profile.sh"


class ConfigVarsError(SlugkitError):
    """ENV_DIR is there and cannot be read."""

    id = "env-dir::unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            "The app's config vars cannot be read",
            details=f"{printable(str(path))}: {reason}",
            resolution="ENV_DIR is a directory with one readable file for each config var.",
        )


def read_env_dir(env_dir: Path | None) -> Mapping[str, str]:
    """The app's config vars: one file each, its name the name, its content the value."""
    if env_dir is None or not env_dir.is_dir():
        return {}
    config_vars: dict[str, str] = {}
    try:
        for path in sorted(env_dir.iterdir()):
            if path.is_file() and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", path.name):
                config_vars[path.name] = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as err:
        raise ConfigVarsError(Path(err.filename or env_dir), err.strerror or str(err)) from err
    return {name: value for name, value in config_vars.items() if "\0" not in value}


def visible_at_build(config_vars: Mapping[str, str]) -> dict[str, str]:
    """The config vars that hooks and collectstatic may see."""
    return {name: value for name, value in config_vars.items() if name not in REFUSED_NAMES}


SECRET_NAMES = re.compile(r"SECRET|PASSW|TOKEN|PRIVATE|CREDENTIAL|(^|_)(API_?|ACCESS_?)?KEY($|_)")
PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")


def secret_values(env: Mapping[str, str]) -> tuple[str, ...]:
    """Values that must not reach a log: of telling names, and passwords inside URLs."""
    secrets = {value for name, value in env.items() if SECRET_NAMES.search(name.upper())}
    for value in env.values():
        secrets.update(PASSWORD_IN_URL.findall(value))
    # The longest first, so that a secret inside another leaves nothing of it behind.
    return tuple(sorted((s for s in secrets if len(s) >= 4), key=len, reverse=True))


def install_settings(env: Mapping[str, str], config_vars: Mapping[str, str]) -> dict[str, str]:
    """The build machine's environment, with the app's own index settings on top."""
    own = {name: value for name, value in config_vars.items() if INSTALL_NAMES.fullmatch(name)}
    return {**env, **own}


def app_env(
    env: Mapping[str, str], config_vars: Mapping[str, str], build_dir: Path
) -> dict[str, str]:
    """What a program of the app sees during the build: config vars, our Python first on PATH."""
    inherited = ("HOME", "TMPDIR", "STACK", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
    path = env.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {
        **{name: env[name] for name in inherited if name in env},
        "LANG": env.get("LANG") or "C.UTF-8",
        **visible_at_build(config_vars),
        "PATH": f"{build_dir}/.heroku/venv/bin:{build_dir}/.heroku/python/bin:{path}",
        "PYTHONUNBUFFERED": "1",
        # Bytecode written now would carry times and the build path into the slug.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Order of sets in what an app generates must not differ from build to build.
        "PYTHONHASHSEED": config_vars.get("PYTHONHASHSEED", "0"),
    }


def write_profile_d(build_dir: Path) -> None:
    """What every container runs before its command, in terms of $HOME alone."""
    target = build_dir / ".profile.d" / "python.sh"
    files.write_atomically(target, PROFILE_SCRIPT.read_bytes())


def write_export(buildpack_dir: Path, build_dir: Path) -> bool:
    """What the next buildpack of this build should have in its environment.

    Slug compilers give every build a copy of the buildpack to write this into. A checkout that
    somebody works in, or the copy inside an installed slugc, is shared by builds: not touched.
    """
    is_shared = (buildpack_dir / ".git").exists() or buildpack_dir.name == "_buildpack"
    if is_shared or not os.access(buildpack_dir, os.W_OK):
        return False
    heroku = f"{build_dir}/.heroku"
    content = f'export PATH="{heroku}/venv/bin:{heroku}/python/bin:$PATH"\n'
    files.write_atomically(buildpack_dir / "export", content)
    return True
