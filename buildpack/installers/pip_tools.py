"""requirements.in: resolved by pip-tools into a hashed lock, which is kept, offered and installed.

The same inputs give the same lock for as long as the cache lives: file contents, settings of
pip-tools, index, Python series, platform. There is no other way to an upgrade than to change one of
them, to clear the cache, or to commit a lock; or the index has withdrawn what the lock names.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from buildpack.app import App
from buildpack.app_digest import path_digest
from buildpack.cache_key import DECIDING_SETTINGS
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.installers.built_in_place import building_in_place
from buildpack.installers.diagnosis.errors import MissingFileError, NoMatchingDistributionError
from buildpack.installers.diagnosis.pip_tools_errors import PipCompileError
from buildpack.installers.diagnosis.requirement_notices import index_notice
from buildpack.installers.git_logins import with_logins
from buildpack.installers.given import Given, given_by
from buildpack.installers.locks.local_limits import python_limits
from buildpack.installers.locks.local_projects import editable_inputs
from buildpack.installers.pip_compile import (
    LOCKED_TOOL,
    CompileSettings,
    compile_command,
    ensure_pip_tools,
    portable,
    read_compile_settings,
    tool_version,
    write_sources,
)
from buildpack.installers.pip_syntax import (
    link_directories,
    own_options,
    uv_arguments,
)
from buildpack.installers.requirements import (
    FILES_FACT,
    check_lines,
    install_requirements,
    requirement_texts,
    write_translated,
)
from buildpack.installers.uv_environment import installer_env
from buildpack.installers.variables import fingerprint, variable_names
from buildpack.installers.vendored import DIRECTORY, read_vendored
from buildpack.installers.yanked import read_yanked
from buildpack.package_manager import PackageManager
from buildpack.pins import pinned
from buildpack.requirement_lines import RequirementLine, split_lines
from buildpack.requirement_paths import is_of_app
from buildpack.requirements_file import read_requirement_files
from buildpack.settings import BuildSettings
from buildpack.support import files
from buildpack.support.command import CommandFailedError, CommandTimeoutError, stream
from buildpack.support.output import redact

SOURCE = "requirements.in"
TEST_SOURCES = ("requirements-test.in", "requirements-test.txt")
SETTINGS = "[tool.pip-tools]"
"""The app's settings of pip-tools among the inputs: a table of a file, not the whole of it."""
CONSTRAINT = "constraint"
"""The setting that names files of constraints."""


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """requirements.in, what it includes and constrains, and [tool.pip-tools]."""
    for_tests = [name for name in TEST_SOURCES if settings.is_test and app.is_file(name)]
    sources = (SOURCE, *for_tests[:1])
    compile_settings = read_compile_settings(app)
    constraints = [x for x in compile_settings.words(CONSTRAINT) if is_of_app(app, x)]
    found = read_requirement_files(app, *sources, constraints=constraints)
    check_lines(app, found, env)
    vendored = read_vendored(app, found, env)
    editable = editable_inputs(app, found.editable_paths())
    return Dependencies(
        manager=PackageManager.PIP_TOOLS,
        source=SOURCE,
        inputs={
            **found.contents,
            **editable.files,
            SETTINGS: compile_settings.text.encode(),
        },
        local_paths=(
            *editable.directories,
            *(path for path in found.local_paths() if path not in found.editable_paths()),
            *(path for path in link_directories(found.lines) if is_of_app(app, path)),
            *((DIRECTORY,) if vendored.options else ()),
        ),
        options=vendored.options,
        listed=tuple(line.text for line in found.wanted()),
        requires_python=python_limits(app, found.local_paths()),
        warnings=tuple(filter(None, (index_notice(found), vendored.warning))),
        facts={
            FILES_FACT: ",".join(sources),
            "pip-tools": tool_version(),
            **{f"config var {n}": fingerprint(env[n]) for n in sorted(variable_names(found.lines))},
        },
    )


def settings_of(dependencies: Dependencies) -> CompileSettings:
    """What was read of [tool.pip-tools]."""
    document = tomllib.loads(dependencies.inputs[SETTINGS].decode())
    return CompileSettings(table=document["tool"]["pip-tools"])


def option_lines(dependencies: Dependencies) -> tuple[str, ...]:
    """Where packages come from, as the app's own files and settings say: not part of a lock."""
    lines = [
        line
        for name, text in requirement_texts(dependencies).items()
        for line in split_lines(name, text)
    ]
    own = (f"{name} {value}".rstrip() for _, name, value in own_options(lines))
    return (*settings_of(dependencies).option_lines(), *own)


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """Resolve, unless a lock of the same inputs is there, and install exactly the lock."""
    home = install.cache_dir / "locks" / lock_key(dependencies, install)
    lock = home / "requirements.txt"
    if not (lock.is_file() and _install_kept(dependencies, install, lock, on_line)):
        text = _header(install) + _compile(dependencies, install, on_line)
        files.write_atomically(lock, text)
        for line in _offer(text):
            on_line(line)
        install_lock(dependencies, install, text, on_line)
    # In the app itself, where everybody who has the built app or its slug can take it from.
    (install.venv.root / "requirements.txt").write_bytes(lock.read_bytes())


def _install_kept(
    dependencies: Dependencies, install: Install, lock: Path, on_line: OnLine
) -> bool:
    """Install the lock of an earlier build; False, and said so, if it is to be made anew.

    Nobody asked for the very releases in it: what is withdrawn since is as good as not there.
    """
    on_line("Nothing has changed in what requirements.in asks for: using its last lock.")
    try:
        install_lock(dependencies, install, lock.read_text("utf-8"), on_line)
    except (NoMatchingDistributionError, MissingFileError) as err:
        on_line(f"It cannot be installed any more: {err.brief}.")
        withdrawn: Collection[str] = ("one of its packages",)
    else:
        withdrawn = read_yanked(install.venv).keys() - pinned(dependencies.listed)
    if withdrawn:
        on_line(f"Resolving anew, as the index has withdrawn {', '.join(sorted(withdrawn))}.")
    return not withdrawn


def lock_key(dependencies: Dependencies, install: Install) -> str:
    """Names the lock by everything that decides what is in it."""
    settings = installer_env(install.env)
    facts = {
        "files": {name: _digest(content) for name, content in dependencies.inputs.items()},
        "local": {path: path_digest(install.app_dir, path) for path in dependencies.local_paths},
        "facts": dict(dependencies.facts),
        "options": list(dependencies.options),
        "index": {n: _digest(settings[n].encode()) for n in DECIDING_SETTINGS if n in settings},
        "platform": [install.runtime.version.series, platform.machine(), platform.libc_ver()[1]],
        "tool": _digest(LOCKED_TOOL.read_bytes()),
    }
    return _digest(json.dumps(facts, sort_keys=True).encode())[:16]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _compile(dependencies: Dependencies, install: Install, on_line: OnLine) -> str:
    settings, names = settings_of(dependencies), dependencies.facts[FILES_FACT].split(",")
    limiting = [name for name in settings.words(CONSTRAINT) if name in dependencies.inputs]
    texts = requirement_texts(dependencies, *limiting)
    written = write_sources(install, (*names, *limiting), texts)
    settings = settings.with_files(CONSTRAINT, written)
    (install.scratch_dir / "pip-tools.toml").write_text(settings.text, "utf-8")
    venv = ensure_pip_tools(install)
    lines: list[str] = []
    with building_in_place(dependencies, install) as ready:
        given = given_by(texts, ready.env)
        sources = [written[name] for name in names]
        command = compile_command(ready, venv, sources, dependencies.options, given)
        on_line(command.shown)
        try:
            stream(
                command,
                lambda line: lines.append(redact(install.named_as_in_app(line), given.secrets)),
            )
        except CommandTimeoutError as err:
            raise PipCompileError(("pip-compile took longer than 30 minutes",), 124) from err
        except CommandFailedError as err:
            _explain(dependencies, ready, given)
            raise PipCompileError(without_traceback(lines), err.code) from err
    locked = install.named_as_in_app((install.scratch_dir / "locked.txt").read_text("utf-8"))
    text = portable(locked, install.app_dir, given.variables, install.source_dir)
    return with_logins(text, texts.values())


def _explain(dependencies: Dependencies, install: Install, given: Given) -> None:
    """pip says "no matching distribution" also of an index that is down; uv tells them apart."""
    arguments = ("--dry-run", *dependencies.options, *write_translated(dependencies, install))
    install_requirements(install, lambda line: None, arguments=arguments, given=given)


def without_traceback(lines: list[str]) -> tuple[str, ...]:
    """What pip-compile said to people: its log, and the last line of a traceback."""
    said = [line for line in lines if line.strip() and not line.startswith((" ", "Traceback"))]
    return tuple(said[-12:])


def install_lock(dependencies: Dependencies, install: Install, text: str, on_line: OnLine) -> None:
    """Install a lock: every hash is required, or nothing but what is listed."""
    places = option_lines(dependencies)
    options = tuple(RequirementLine(file=SOURCE, number=0, text=line) for line in places)
    content = "".join(f"{line}\n" for line in places) + text
    locked = replace(
        dependencies,
        inputs={"requirements.txt": content.encode()},
        facts={FILES_FACT: "requirements.txt"},
    )
    unhashed = [
        line
        for line in split_lines("requirements.txt", text)
        if not line.has_hash and (line.is_editable or not line.is_option)
    ]
    # A checkout or directory has no hash to check; then nothing that is not listed comes along.
    strictness = "--no-deps" if unhashed else "--require-hashes"
    with building_in_place(dependencies, install) as ready:
        install_requirements(
            ready,
            on_line,
            arguments=(
                strictness,
                "--exact",  # a lock that could not stay may have been installed before
                *dependencies.options,
                *uv_arguments(options),
                *write_translated(locked, install),
            ),
            title="uv pip install --require-hashes -r requirements.txt",
            given=given_by({"": content}, ready.env),
        )


def _header(install: Install) -> str:
    place = f"Python {install.runtime.version.series} on Linux {platform.machine()}"
    return (
        f"# Locked by pip-tools {tool_version()} for {place}:\n"
        f"#\n#    pip-compile --generate-hashes --allow-unsafe {SOURCE}\n#\n"
    )


def _offer(text: str) -> tuple[str, ...]:
    count = sum(1 for line in split_lines("", text) if not line.is_option or line.is_editable)
    return (
        f"Resolved {SOURCE} to {count} packages. To have exactly these in every build, commit the",
        "lock as requirements.txt. In the built app it is",
        "    .heroku/venv/requirements.txt",
        "or make it yourself:",
        f"    pip-compile --generate-hashes --allow-unsafe -o requirements.txt {SOURCE}",
    )
