"""Installs requirements.txt with uv, and turns uv's failures into words of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.installers.errors import InstallFailedError
from buildpack.installers.failures import classify_failure
from buildpack.package_manager import PackageManager
from buildpack.requirements_file import read_requirement_files
from buildpack.settings import BuildSettings
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, stream
from buildpack.tools import index_url

REQUIREMENTS = "requirements.txt"
TIME_LIMIT = 1800

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
    "UV_CONCURRENT_DOWNLOADS", "UV_REQUIRE_HASHES",
    # How source distributions are compiled.
    "CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "PKG_CONFIG_PATH",
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

CREDENTIAL_NAMES = re.compile(r"UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)")


def installer_env(env: Mapping[str, str]) -> dict[str, str]:
    """The part of ``env`` that says where packages come from, under uv's names."""
    chosen = {name: value for name, value in env.items() if name in PASSED_ON and value}
    chosen |= {name: value for name, value in env.items() if CREDENTIAL_NAMES.fullmatch(name)}
    for theirs, ours in FROM_PIP.items():
        if env.get(theirs) and ours not in chosen:
            value = env[theirs]
            chosen[ours] = ",".join(value.split()) if ours in COMMA_SEPARATED else value
    return chosen


def install_command(install: Install, arguments: Sequence[str], *, title: str) -> Command:
    """``uv pip install`` with ``arguments`` and the flags nobody should have to type."""
    words = ("pip", "install", "--python", str(install.venv.python), "--color", "never")
    return Command(
        argv=(str(install.uv), *words, "--no-compile-bytecode", *arguments),
        cwd=install.app_dir,
        env=uv_env(install),
        timeout=TIME_LIMIT,
        title=title,
    )


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


def install_requirements(
    install: Install,
    on_line: OnLine,
    *,
    arguments: Sequence[str] = ("-r", REQUIREMENTS),
    title: str = "uv pip install -r requirements.txt",
) -> None:
    """Run uv; what it prints goes to ``on_line``, what goes wrong is raised."""
    command = install_command(install, arguments, title=title)
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        if not line.startswith(("Using Python", "warning: `UV_", "Using CPython")):
            on_line(line)

    try:
        stream(command, keep)
    except CommandFailedError as err:
        raise classify_failure(lines, index_url(install.env), err.code) from err
    except CommandTimeoutError as err:
        raise InstallFailedError(("uv took longer than 30 minutes",), 124) from err


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """Install what was read: the app's own files, or the requirements a lock was turned into."""
    if dependencies.requirements:
        path = install.scratch_dir / REQUIREMENTS
        path.write_text(dependencies.requirements, "utf-8")
        arguments: tuple[str, ...] = ("-r", str(path))
    else:
        names = dependencies.facts.get("requirements_files", REQUIREMENTS).split("\n")
        arguments = tuple(word for name in names for word in ("-r", name))
    install_requirements(
        install,
        on_line,
        arguments=(*dependencies.options, *arguments),
        title=f"uv pip install -r {dependencies.source}",
    )


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """The requirements files and everything they include."""
    names = settings.requirements_files
    found = read_requirement_files(app, *names)
    return Dependencies(
        manager=PackageManager.PIP,
        source=names[0],
        inputs=found.contents,
        listed=tuple(line.text for line in found.lines),
        local_paths=found.local_paths(),
        options=("--require-hashes",) if found.has_hashes() else (),
        facts={"requirements_files": "\n".join(names)},
    )
