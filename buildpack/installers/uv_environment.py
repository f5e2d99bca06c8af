"""The environment uv runs in: which of a build's settings reach it, and under which names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildpack.config_vars import LIBRARY_NAMES
from buildpack.installers.base import Install
from buildpack.support.secrets import is_secret_name

PASSED_ON = (
    # Where temporary files and the user's credentials are.
    "HOME", "TMPDIR", "NETRC", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL",
    # How the network is reached and whom it trusts.
    "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    # Where packages come from.
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
    "UV_NO_INDEX", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_INDEX_STRATEGY",
    "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_OFFLINE", "UV_EXCLUDE_NEWER", "UV_CONSTRAINT",
    "UV_CONCURRENT_DOWNLOADS", "UV_CONCURRENT_INSTALLS", "UV_REQUIRE_HASHES",
    # How source distributions are compiled.
    "CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", *LIBRARY_NAMES,
)  # fmt: skip

FROM_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CONSTRAINT": "UV_CONSTRAINT",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
    "PIP_RETRIES": "UV_HTTP_RETRIES",
}
"""pip's settings under uv's names: an app that installed with pip installs with us."""

COMMA_SEPARATED = frozenset({"UV_FIND_LINKS"})

CREDENTIAL_NAMES = re.compile(
    r"UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)|GIT_CONFIG_(COUNT|(KEY|VALUE)_\d+)"
    r"|SLUGKIT_GIT_(USER|PASSWORD)_\d+"  # our own: git_logins.py
)

BUILD_NAMES = re.compile(
    r"[A-Z0-9_]+_(CFLAGS|CXXFLAGS|LDFLAGS|LIBS|CONFIG|INCLUDE_DIRS?|LIBRARY_DIRS?)"
    r"|CMAKE_[A-Z0-9_]+|MAX_JOBS|RUSTFLAGS"
    # The version of a package that would look for it in its repository, which no build has.
    r"|(SETUPTOOLS_SCM|VCS_VERSIONING)_PRETEND_VERSION[A-Z0-9_]*|PDM_BUILD_SCM_VERSION"
    r"|(UV|POETRY)_DYNAMIC_VERSIONING_BYPASS|PBR_VERSION"
)
"""What tells the build scripts of source distributions where things are: MYSQLCLIENT_CFLAGS,
GDAL_CONFIG. Whatever else an app is configured with is no business of the packages it installs."""


def is_for_builds(name: str) -> bool:
    """Whether a variable is for the build scripts of source distributions."""
    return bool(BUILD_NAMES.fullmatch(name)) and not is_secret_name(name)


def installer_env(env: Mapping[str, str]) -> dict[str, str]:
    """The part of ``env`` that says where packages come from, under uv's names."""
    chosen = {name: value for name, value in env.items() if name in PASSED_ON and value}
    chosen |= {name: value for name, value in env.items() if CREDENTIAL_NAMES.fullmatch(name)}
    chosen |= {name: value for name, value in env.items() if is_for_builds(name) and value}
    for theirs, ours in FROM_PIP.items():
        if env.get(theirs) and ours not in chosen:
            value = env[theirs]
            chosen[ours] = ",".join(value.split()) if ours in COMMA_SEPARATED else value
    return chosen


def uv_env(install: Install) -> dict[str, str]:
    """The whole environment of uv: nothing is inherited that we do not know."""
    return {
        # As pip: the best version of all indexes, not the first index that knows the name.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_SYSTEM_CERTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **installer_env(install.env),
        "CFLAGS": " ".join((install.env.get("CFLAGS", ""), *compiler_flags(install))).strip(),
        "PATH": install.env.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LC_ALL": "C.UTF-8",
        "UV_CACHE_DIR": str(install.uv_cache_dir),
        "UV_LINK_MODE": "hardlink",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SOURCE_DATE_EPOCH": "315532800",
        **({} if install.may_build else {"UV_NO_BUILD_ISOLATION": "1"}),
    }


def compiler_flags(install: Install) -> tuple[str, ...]:
    """Keep the directories of this build out of extensions that are compiled from source.

    Debug information names the source's directory, and ``__FILE__`` that of Python's headers.
    """
    places = (install.venv.root.parent, install.uv_cache_dir)
    return ("-g0", *(f"-ffile-prefix-map={place}=." for place in places))
