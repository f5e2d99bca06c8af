"""Installs requirements.txt with uv, and turns uv's failures into words of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.installers.built_in_place import building_in_place
from buildpack.installers.diagnosis.compiled_notices import behind_notice
from buildpack.installers.diagnosis.requirement_notices import requirement_notices
from buildpack.installers.file_limit import limited
from buildpack.installers.git_logins import without_logins
from buildpack.installers.given import NOTHING_GIVEN, Given, given_by
from buildpack.installers.locks.local_limits import python_limits
from buildpack.installers.locks.local_projects import editable_inputs
from buildpack.installers.pip_syntax import (
    link_directories,
    option_problem,
    own_options,
    translate,
    uv_arguments,
)
from buildpack.installers.uv_environment import uv_env
from buildpack.installers.variables import expand, fingerprint, variable_names
from buildpack.installers.vendored import DIRECTORY, read_vendored
from buildpack.package_manager import PackageManager
from buildpack.requirement_checks import check_requirement_files, requirement_problem
from buildpack.requirement_lines import RequirementFiles, RequirementLine, split_lines
from buildpack.requirement_paths import is_of_app, is_outside
from buildpack.requirements_file import included_files, read_requirement_files
from buildpack.settings import BuildSettings
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, stream
from buildpack.support.errors import SlugkitError
from buildpack.support.output import redact
from buildpack.tools import index_url

REQUIREMENTS = "requirements.txt"
TEST_REQUIREMENTS = "requirements-test.txt"
FILES_FACT = "requirements_files"
TIME_LIMIT = 1800

NOT_SHOWN = ("Using Python", "warning: `UV_", "Using CPython", "Checked in ")
"""How lines of uv begin that say what the build has said already, or nothing."""


def install_command(
    install: Install,
    arguments: Sequence[str],
    *,
    title: str,
    env: Mapping[str, str] | None = None,
) -> Command:
    """``uv pip install`` with ``arguments`` and the flags nobody should have to type."""
    words = ("pip", "install", "--python", str(install.venv.python), "--color", "never")
    return Command(
        argv=(str(install.uv), *words, "--no-compile-bytecode", *arguments),
        cwd=install.app_dir,
        env=uv_env(install) if env is None else env,
        timeout=TIME_LIMIT,
        title=title,
        pass_fds=install.held,
    )


def install_requirements(
    install: Install,
    on_line: OnLine,
    *,
    arguments: Sequence[str] = ("-r", REQUIREMENTS),
    title: str = "uv pip install -r requirements.txt",
    given: Given = NOTHING_GIVEN,
) -> None:
    """Run uv; what it prints goes to ``on_line``, what goes wrong is raised.

    Nothing that is secret in ``given`` is in any line.
    """
    env = {**given.variables, **uv_env(install), **given.for_git}
    command = install_command(install, arguments, title=title, env=env)
    lines: list[str] = []

    def keep(line: str) -> None:
        shown = redact(install.named_as_in_app(line), given.secrets)
        if not line.startswith("Using "):
            lines.append(shown)
        if line.endswith("does not contain any dependencies"):
            on_line("There are no packages to install.")
        elif not line.startswith(NOT_SHOWN):
            on_line(shown)

    try:
        stream(limited(command), keep)
    except CommandFailedError as err:
        raise _why(install, lines, err.code, given) from err
    except CommandTimeoutError as err:
        from buildpack.installers.diagnosis.errors import InstallFailedError

        raise InstallFailedError(("uv took longer than 30 minutes",), 124) from err
    look_at_installed(install, lines)


def look_at_installed(install: Install, lines: Sequence[str]) -> None:
    """Of what uv has installed, and said in ``lines``: was it withdrawn, is it honest, does it tell
    secrets?"""
    # Imported here, as all of failures below: a build in which nothing changed needs neither.
    from buildpack.installers.installed import check_records, clean_direct_urls
    from buildpack.installers.yanked import note_yanked

    note_yanked(install.venv, lines)
    check_records(install.venv, install.checked)
    clean_direct_urls(install.venv)


def _why(install: Install, lines: Sequence[str], code: int, given: Given) -> SlugkitError:
    from buildpack.installers.diagnosis.errors import (
        NoMatchingDistributionError,
        VersionConflictError,
    )
    from buildpack.installers.diagnosis.failures import classify_failure
    from buildpack.installers.diagnosis.index_probe import indexes_of, probed

    index = index_url(install.env)
    version = str(install.venv.version)
    error = classify_failure(lines, index, code, python=version, env=install.env)
    error = probed(error, indexes_of(uv_env(install), given.indexes))
    if isinstance(error, NoMatchingDistributionError) and (line := given.line_of(error.package)):
        error.name_place(line.place)
    if isinstance(error, VersionConflictError):
        error.name_lines(tuple(filter(None, map(given.line_of, error.required))))
    return error


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """Install what was read: the app's own files, or the requirements a lock was turned into."""
    if dependencies.requirements:
        path = install.scratch_dir / REQUIREMENTS
        path.write_text(without_logins(dependencies.requirements), "utf-8")
        sources: tuple[str, ...] = ("-r", str(path))
    else:
        sources = write_translated(dependencies, install)
    with building_in_place(dependencies, install) as ready:
        install_requirements(
            ready,
            on_line,
            arguments=(*dependencies.options, *sources),
            title=f"uv pip install -r {dependencies.source}",
            given=given_by(requirement_texts(dependencies), ready.env),
        )


def write_translated(dependencies: Dependencies, install: Install) -> tuple[str, ...]:
    """The app's files as uv understands them, beside each other as in the app; how to name them.

    Files beside an app in a subdirectory of its source are beside it here as well.
    """
    place = install.scratch_dir / install.below_source
    place.mkdir(parents=True, exist_ok=True)
    for name, text in requirement_texts(dependencies).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        translated = translate(
            split_lines(name, text),
            install.env,
            install.app_dir,
            is_offline="--no-index" in dependencies.options,
        )
        path.write_text(without_logins(translated), "utf-8")
    names = dependencies.facts[FILES_FACT].split(",")
    return tuple(word for name in names for word in ("-r", str(place / name)))


def requirement_texts(dependencies: Dependencies, *others: str) -> Mapping[str, str]:
    """What the app's requirements files say, by name, and ``others`` that are named elsewhere;
    other inputs are none of them."""
    if dependencies.requirements:
        return {"": dependencies.requirements}
    found: dict[str, str] = {}
    waiting = [*dependencies.facts[FILES_FACT].split(","), *others]
    while waiting:
        name = waiting.pop(0)
        if name in found or name not in dependencies.inputs:
            continue
        found[name] = dependencies.inputs[name].decode("utf-8-sig")
        waiting += included_files(name, found[name])
    return found


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """The requirements files and everything they include. Raises with all that is wrong."""
    names = requirements_files(app, settings)
    found = read_requirement_files(app, *names)
    check_lines(app, found, env)
    vendored = read_vendored(app, found, env)
    variables = variable_names(found.lines)
    editable = editable_inputs(app, found.editable_paths())
    options = [f"{name} {value}" for _, name, value in own_options(found.lines)]
    return Dependencies(
        manager=PackageManager.PIP,
        source=", ".join(names),
        inputs={**found.contents, **editable.files},
        local_paths=(
            *editable.directories,
            *(path for path in found.local_paths() if path not in found.editable_paths()),
            *(path for path in link_directories(found.lines) if is_of_app(app, path)),
            *((DIRECTORY,) if vendored.options else ()),
        ),
        options=(
            *(("--require-hashes",) if found.has_hashes() else ()),
            *vendored.options,
            *uv_arguments(found.lines),
        ),
        listed=tuple(line.text for line in found.wanted()),
        requires_python=python_limits(app, found.local_paths()),
        warnings=tuple(
            filter(
                None,
                (
                    behind_notice(app, found),
                    *requirement_notices(app, found, env),
                    vendored.warning,
                ),
            )
        ),
        facts={
            FILES_FACT: ",".join(names),
            # Another index may have other files of the versions that are installed.
            **({"indexes and options": fingerprint("\n".join(options))} if options else {}),
            **{f"config var {name}": fingerprint(env[name]) for name in sorted(variables)},
        },
    )


def check_lines(app: App, found: RequirementFiles, env: Mapping[str, str]) -> None:
    """Raise with every line that cannot be followed, and with every variable that is not set."""

    def options(line: RequirementLine) -> str:
        return option_problem(line) if line.is_option else ""

    def requirements(line: RequirementLine) -> str:
        return "" if line.is_option else requirement_problem(expand(line.requirement, env))

    names = variable_names(found.lines)
    missing = {name: line for name, line in names.items() if not env.get(name)}
    if missing:
        from buildpack.installers.diagnosis.errors import MissingVariablesError

        raise MissingVariablesError({name: line.place for name, line in missing.items()})
    check_requirement_files(app, found, options, requirements)


def requirements_files(app: App, settings: BuildSettings) -> tuple[str, ...]:
    """The files to install from; with the tests' own when it is they who are built for."""
    names = settings.requirements_files
    missing = tuple(n for n in names if is_outside(app, n) or not app.has(n))
    if missing:
        from buildpack.installers.diagnosis.errors import RequirementsFilesError

        raise RequirementsFilesError(missing)
    if settings.is_test and TEST_REQUIREMENTS not in names and app.is_file(TEST_REQUIREMENTS):
        return (*names, TEST_REQUIREMENTS)
    return names
