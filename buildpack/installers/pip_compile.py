"""pip-compile as a pinned program: its settings, its environment, its output made portable."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from buildpack.app import App
from buildpack.hostile_text import loads_toml
from buildpack.installers.base import Install
from buildpack.installers.diagnosis.pip_tools_errors import (
    PipToolsSettingsError,
    PipToolsUnavailableError,
)
from buildpack.installers.git_logins import without_logins
from buildpack.installers.given import Given
from buildpack.installers.locks.project_file import table
from buildpack.installers.requirements import install_requirements
from buildpack.installers.uv_environment import installer_env, uv_env
from buildpack.support import files
from buildpack.support.command import Command
from buildpack.support.errors import SlugkitError
from buildpack.tools import index_url
from buildpack.venv import Venv, create_venv, neutralize

LOCKED_TOOL = Path(__file__).parents[1] / "data" / "pip-tools.txt"
SETTINGS_FILES = (".pip-tools.toml", "pyproject.toml")
"""In the order in which pip-compile looks for them."""

OURS = frozenset(
    {
        "all-build-deps", "build-deps-for", "cache-dir", "client-cert", "color", "config",
        "dry-run", "emit-find-links", "emit-index-url", "emit-options", "emit-trusted-host",
        "generate-hashes", "header", "no-config", "only-build-deps", "output-file", "quiet",
        "rebuild", "reuse-hashes", "src-files", "upgrade", "upgrade-package", "verbose", "newline",
        "allow-unsafe",
    }
)  # fmt: skip
"""Settings that say where and how it prints; those that decide versions are the user's."""

INDEX_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "no-index", "pre")
FOR_SUBCOMMANDS = frozenset({"compile", "sync"})

TO_PIP = {
    "UV_DEFAULT_INDEX": "PIP_INDEX_URL",
    "UV_INDEX_URL": "PIP_INDEX_URL",
    "UV_INDEX": "PIP_EXTRA_INDEX_URL",
    "UV_EXTRA_INDEX_URL": "PIP_EXTRA_INDEX_URL",
    "UV_FIND_LINKS": "PIP_FIND_LINKS",
    "UV_NO_INDEX": "PIP_NO_INDEX",
    "UV_INSECURE_HOST": "PIP_TRUSTED_HOST",
    "UV_CONSTRAINT": "PIP_CONSTRAINT",
    "UV_EXCLUDE_NEWER": "PIP_UPLOADED_PRIOR_TO",
    "SSL_CERT_FILE": "PIP_CERT",
    "UV_HTTP_TIMEOUT": "PIP_DEFAULT_TIMEOUT",
    "UV_HTTP_RETRIES": "PIP_RETRIES",
}
"""What uv is told, in pip's words: both must ask the same index."""

NOT_FOR_TOOLS = ("UV_CONSTRAINT", "PIP_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_REQUIRE_HASHES")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileSettings:
    """[tool.pip-tools] without what is ours to decide."""

    table: Mapping[str, object]

    @property
    def text(self) -> str:
        """The same as a configuration file of pip-compile."""
        lines = (f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in sorted(self.table.items()))
        return "[tool.pip-tools]\n" + "".join(lines)

    def words(self, name: str) -> tuple[str, ...]:
        """The texts of a setting that may be one or a list."""
        value = self.table.get(name, ())
        found = value if isinstance(value, list | tuple) else (value,)
        return tuple(word for word in found if isinstance(word, str))

    def with_files(self, name: str, places: Mapping[str, str]) -> CompileSettings:
        """The same with the files of a setting where they are to be read."""
        if name not in self.table:
            return self
        found = [places.get(word, word) for word in self.words(name)]
        return CompileSettings(table={**self.table, name: found})

    def option_lines(self) -> tuple[str, ...]:
        """The index that the settings name, as lines of a requirements file."""
        lines = [
            f"--{name} {word}"
            for name in ("index-url", "extra-index-url", "find-links", "trusted-host")
            for word in self.words(name)
        ]
        return (*lines, *(f"--{n}" for n in ("no-index", "pre") if self.table.get(n) is True))


def read_compile_settings(app: App) -> CompileSettings:
    """What the app says in the first settings file that speaks of pip-tools."""
    for name in SETTINGS_FILES:
        if not app.is_file(name):
            continue
        try:
            document = loads_toml(app.read_text(name))
        except tomllib.TOMLDecodeError as err:
            raise PipToolsSettingsError(name, str(err)) from err
        found = table(document, "tool", "pip-tools")
        if found:
            return CompileSettings(table=_deciding(name, found))
    return CompileSettings(table={})


def _deciding(name: str, found: Mapping[str, object]) -> dict[str, object]:
    own = found.get("compile", {})
    both = {**found, **(own if isinstance(own, dict) else {})}
    named = {key.replace("_", "-"): value for key, value in both.items()}
    table = {
        key: value
        for key, value in named.items()
        if key not in OURS | FOR_SUBCOMMANDS and key.removeprefix("no-") not in OURS
    }
    for key, value in table.items():
        words = value if isinstance(value, list) else [value]
        if not all(isinstance(word, str | int | bool) for word in words):
            raise PipToolsSettingsError(name, f"the setting '{key}' is neither text nor a list")
    return table


def ensure_pip_tools(install: Install) -> Venv:
    """pip-tools in a virtualenv of the app's own Python, in the cache, never in the slug."""
    locked = LOCKED_TOOL.read_bytes()
    made_of = locked + install.runtime.build_id.encode()
    home = install.cache_dir / "pip-tools" / hashlib.sha256(made_of).hexdigest()[:16]
    version = install.runtime.version
    if not home.is_dir():
        with files.publishing_dir(home) as temporary:
            (temporary / "python").symlink_to(os.path.relpath(install.runtime.home, temporary))
            python_dir = install.runtime.python.parent
            venv = create_venv(temporary / "venv", version, home=python_dir)
            env = {k: v for k, v in install.env.items() if k not in NOT_FOR_TOOLS}
            _install_tool(replace(install, venv=venv, env=env))
            neutralize(venv)
    return Venv(root=home / "venv", version=version)


def _install_tool(install: Install) -> None:
    arguments = ("--require-hashes", "-r", str(LOCKED_TOOL))
    try:
        install_requirements(install, lambda line: None, arguments=arguments, title="pip-tools")
    except SlugkitError as err:
        reason = err.details or err.brief
        raise PipToolsUnavailableError(tool_version(), index_url(install.env), reason) from err


def tool_version() -> str:
    """The pinned version of pip-tools."""
    match = re.search(r"^pip-tools==(\S+)", LOCKED_TOOL.read_text("utf-8"), re.MULTILINE)
    return match[1] if match else ""


def compile_command(
    install: Install,
    venv: Venv,
    sources: Sequence[str],
    arguments: Sequence[str],
    given: Given,
) -> Command:
    """``pip-compile --generate-hashes`` into the scratch directory."""
    return Command(
        argv=(
            str(venv.python), "-m", "piptools", "compile", "--generate-hashes", "--allow-unsafe",
            # Where packages came from is in our settings; a host has no place in a lock.
            "--no-header", "--no-emit-options", "--no-emit-index-url",
            "--no-emit-trusted-host", "--no-emit-find-links", "--no-color", "--quiet",
            "--config", str(install.scratch_dir / "pip-tools.toml"),
            "--cache-dir", str(install.cache_dir / "pip-compile"),
            "--output-file", str(install.scratch_dir / "locked.txt"),
            *arguments, *sources,
        ),
        cwd=install.app_dir,
        env={**given.variables, **pip_env(install), **given.for_git},
        timeout=1800,
        title=f"pip-compile --generate-hashes {install.named_as_in_app(' '.join(sources))}",
    )  # fmt: skip


def write_sources(
    install: Install, names: Iterable[str], texts: Mapping[str, str]
) -> Mapping[str, str]:
    """Where pip-compile is to read the files ``names``: copies without logins, which it would hand
    to git as arguments. Where there are none it reads the app's own."""
    bare = {name: without_logins(text) for name, text in texts.items()}
    if bare == texts:
        return {name: name for name in names}
    place = install.scratch_dir / install.below_source
    for name, text in bare.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return {name: str(place / name) for name in names}


def pip_env(install: Install) -> dict[str, str]:
    """uv's environment in pip's words, and nothing from a configuration of the machine."""
    settings = installer_env(install.env)
    env = {name: value for name, value in uv_env(install).items() if not name.startswith("UV_")}
    for theirs, ours in TO_PIP.items():
        if settings.get(theirs):
            value = settings[theirs]
            if theirs == "UV_FIND_LINKS":
                value = value.replace(",", " ")
            if theirs == "UV_INDEX":
                value = " ".join(word.rpartition("=")[2] for word in value.split())
            env[ours] = f"{env[ours]} {value}" if ours in env else value
    return {
        **env,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_CACHE_DIR": str(install.cache_dir / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def portable(
    text: str, app_dir: Path, variables: Mapping[str, str], source_dir: Path | None = None
) -> str:
    """A lock without a path of this machine and without the value of any variable.

    ``source_dir`` is the whole source, where the app is a part of it.
    """
    text = text.replace(f"file://{app_dir}/", "./").replace(f"file://{app_dir}", ".")
    if source_dir and source_dir != app_dir:
        up = os.path.relpath(source_dir, app_dir)
        text = text.replace(f"{app_dir}/", "").replace(f"file://{source_dir}/", f"{up}/")
        text = text.replace(f"{source_dir}/", f"{up}/")
    for name, value in sorted(variables.items(), key=lambda item: -len(item[1])):
        if len(value) >= 4:
            text = text.replace(value, f"${{{name}}}")
    return text.replace(f"{app_dir}/", "")
