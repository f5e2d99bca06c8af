"""One script with a ``# /// script`` block (PEP 723): what it says it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.installers.built_in_place import building_in_place
from buildpack.installers.locks.local_sources import (
    EXTRAS,
    GROUPS,
    check_local_paths,
    choose,
    source_paths,
)
from buildpack.installers.locks.project_errors import (
    BrokenFileError,
    InvalidProjectError,
    LockOutOfSyncError,
    LockVersionError,
    RequiredUvVersionError,
    SeveralScriptsError,
)
from buildpack.installers.locks.project_file import (
    POSITION,
    Table,
    requirement_problems,
    specifier_problems,
    strings,
    table,
    text_of,
)
from buildpack.installers.locks.uv_lock import FORMAT, parse_uv_lock, script_differences
from buildpack.installers.pyproject import limits
from buildpack.installers.uv_project import accepts_our_uv
from buildpack.installers.uv_run import (
    lock_is_old,
    locked_env,
    own_settings_env,
    run_uv,
    sync_command,
)
from buildpack.package_manager import PackageManager, find_scripts
from buildpack.settings import BuildSettings
from buildpack.support.errors import SlugkitError
from buildpack.tools import tool_versions

START, END = re.compile(r"# /// (?P<type>[a-zA-Z0-9-]+)"), "# ///"

REMEDY = (
    "Correct the block. It looks like this:\n\n"
    '    # /// script\n    # requires-python = ">=3.12"\n'
    '    # dependencies = ["requests"]\n    # ///'
)


class NoScriptError(SlugkitError):
    """The package manager "script" was chosen for an app without such a script."""

    id = "package-manager::no-script"

    def __init__(self) -> None:
        super().__init__(
            "No script of your app says what it needs",
            details="SLUGKIT_PACKAGE_MANAGER is 'script'. No *.py in the app's directory has\n"
            "a '# /// script' block (PEP 723).",
            resolution="Write it with the script's dependencies, for example:\n\n"
            "    uv add --script main.py requests",
        )


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """The metadata of the one script, and of the lock beside it if it has one."""
    name = _the_script(app, settings)
    text = app.read_text(name)
    metadata = parse_metadata(name, text)
    _check(name, text, metadata)
    for chosen, setting in ((settings.groups, GROUPS), (settings.extras, EXTRAS)):
        choose(chosen, (), setting=setting, source=name)
    uv = table(metadata, "tool", "uv")
    paths = check_local_paths(app, settings, name, source_paths(uv))
    lock = f"{name}.lock"
    has_lock = app.is_file(lock)
    if has_lock:
        _check_lock(app, name, lock, metadata)
    # Of the script, what counts is its block: another line of code is no other environment.
    inputs = {name: _block(name, text).encode()}
    return Dependencies(
        manager=PackageManager.SCRIPT,
        source=name,
        inputs=inputs | ({lock: app.read_bytes(lock)} if has_lock else {}),
        local_paths=paths,
        listed=tuple(strings(metadata.get("dependencies"))),
        options=("--locked",) if has_lock else (),
        requires_python=limits(text_of(metadata.get("requires-python")), f"{name} (script block)"),
        warnings=() if has_lock else (_not_locked(name),),
        facts={"script": name},
    )


def _not_locked(name: str) -> str:
    return (
        f"{name} says which packages it needs, not all of their versions.\n\n"
        "A later build may install newer ones. To keep those that work, commit a\n"
        f"lock file:\n\n    uv lock --script {name}\n    git add {name}.lock"
    )


def _the_script(app: App, settings: BuildSettings) -> str:
    found = find_scripts(app)
    for name in settings.requirements_files:
        if name in found:
            return name
    if not found:
        raise NoScriptError
    if len(found) > 1:
        raise SeveralScriptsError(found)
    return found[0]


def _block(name: str, text: str) -> str:
    """The text of the block, without the signs of comment. Raises where it is not one."""
    found = [lines for kind, lines in _blocks(text) if kind == "script"]
    if len(found) > 1:
        raise BrokenFileError(name, 0, "it has more than one '# /// script' block.", REMEDY)
    if not found:
        line = next(n for n, x in enumerate(text.splitlines(), 1) if x.startswith("# /// script"))
        reason = "this block has no end ('# ///'), or a line in it that is no comment."
        raise BrokenFileError(name, line, reason, REMEDY)
    return "".join((x[2:] if x.startswith("# ") else x[1:]) + "\n" for x in found[0])


def _blocks(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Type and lines of every block, as the specification's regular expression finds them.

    That expression looks through the rest of the file at every start; here each line is seen once
    or twice.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        start = START.fullmatch(lines[at])
        if start is None:
            at += 1
            continue
        stop = at + 1
        while stop < len(lines) and (lines[stop] == "#" or lines[stop].startswith("# ")):
            stop += 1
        # The last end counts, and there is a line before it.
        end = next((n for n in range(stop - 1, at + 1, -1) if lines[n] == END), 0)
        if end:
            yield start["type"], lines[at + 1 : end]
        at = end + 1 if end else stop


def parse_metadata(name: str, text: str) -> Table:
    """The block as a table; raises with the script's own line."""
    import tomllib

    from buildpack.hostile_text import loads_toml

    block = _block(name, text)
    try:
        return loads_toml(block)
    except tomllib.TOMLDecodeError as err:
        start = text.splitlines().index("# /// script") + 1
        found = POSITION.search(str(err))
        line = start + int(found[1]) if found and found[1] else start
        reason = f"this is not TOML: {POSITION.sub('', str(err))}."
        raise BrokenFileError(name, line, reason, REMEDY) from err


def _check(name: str, text: str, metadata: Table) -> None:
    dependencies = metadata.get("dependencies", [])
    problems = list(requirement_problems(name, text, strings(dependencies)))
    if not isinstance(dependencies, list):
        problems.append(f"{name}: dependencies is not an array of strings")
    problems += specifier_problems(name, text, metadata.get("requires-python"))
    if problems:
        raise InvalidProjectError(name, problems)
    wanted = text_of(table(metadata, "tool", "uv").get("required-version"))
    if wanted and not accepts_our_uv(wanted):
        raise RequiredUvVersionError(f"{name} (script block)", wanted, tool_versions()["uv"])


def _check_lock(app: App, name: str, lock: str, metadata: Table) -> None:
    command = f"uv lock --script {name}"
    remedy = f"Write it again:\n\n    {command}"
    found = parse_uv_lock(lock, app.read_text(lock), remedy=remedy)
    if found.format != FORMAT:
        raise LockVersionError(lock, str(found.format), str(FORMAT), command)
    wanted = strings(metadata.get("dependencies"))
    differing = script_differences(found, wanted, table(metadata, "tool", "uv"))
    if differing:
        raise LockOutOfSyncError(lock, name, differing, command)


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """``uv sync --script`` into the build's virtualenv: it alone reads all of the block."""
    name = dependencies.source
    is_locked = "--locked" in dependencies.options
    environment = locked_env if is_locked else own_settings_env
    arguments = ("--script", name, "--active", *dependencies.options)
    with building_in_place(dependencies, install) as ready:
        env = {**environment(ready), "VIRTUAL_ENV": str(install.venv.root)}
        command = sync_command(install, arguments, env, title=f"uv sync --script {name}")
        error = lock_is_old(f"{name}.lock", name, f"uv lock --script {name}")
        run_uv(command, install, on_line, lock_error=error)
