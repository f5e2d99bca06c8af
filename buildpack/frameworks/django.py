"""Django's collectstatic: gathers the app's static files while it is being built."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, stream
from buildpack.support.errors import printable
from buildpack.support.secrets import is_secret_name
from buildpack.venv import Venv

DEEPEST = 3
SWITCH = "DISABLE_COLLECTSTATIC"
SWITCH_FILE = ".heroku/collectstatic_disabled"
DEBUG_SWITCH = "DEBUG_COLLECTSTATIC"

SETTINGS = "DJANGO_SETTINGS_MODULE"
UNKNOWN_COMMAND = "Unknown command: 'collectstatic'"
NO_SETTINGS = "No Django settings specified."


def find_manage_py(build_dir: Path) -> str | None:
    """The shallowest manage.py, at most three levels down; a link to a file counts."""
    level = [build_dir]
    for _ in range(DEEPEST):
        below: list[Path] = []
        for directory in level:
            candidate = directory / "manage.py"
            if candidate.is_file():
                return str(candidate.relative_to(build_dir))
            below += _subdirectories(directory)
        level = below
    return None


NOT_THE_APP = frozenset({".heroku", ".git", "node_modules", "site-packages"})


def _subdirectories(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    except PermissionError:
        return []  # find(1) passes over these as well; reading them is the app check's business.
    return [directory / name for name in sorted(names) if name not in NOT_THE_APP]


def has_django(venv: Venv) -> bool:
    return (venv.site_packages / "django" / "__init__.py").is_file()


def reason_to_skip(build_dir: Path, venv: Venv, switch: str) -> tuple[str | None, str]:
    """(manage.py, "") when collectstatic should run; (None, why not) otherwise.

    ``switch`` is the value of DISABLE_COLLECTSTATIC.
    """
    if not has_django(venv):
        return None, ""
    if switch not in {"", "0"}:
        return None, f"Skipped: the config var {SWITCH} is set."
    if (build_dir / SWITCH_FILE).exists():
        return None, f"Skipped: your app has {SWITCH_FILE} (deprecated; set {SWITCH}=1)."
    manage_py = find_manage_py(build_dir)
    if manage_py is None:
        return None, "Skipped: no manage.py in the app's directory or up to two levels below it."
    return manage_py, ""


def collectstatic_command(
    build_dir: Path, python: Path, manage_py: str, env: Mapping[str, str]
) -> Command:
    """``python manage.py collectstatic --noinput``, as a person would run it."""
    return Command(
        argv=(str(python), manage_py, "collectstatic", "--noinput", "--traceback"),
        cwd=build_dir,
        env={"PYTHONPATH": ".", **env},
        title=f"python {manage_py} collectstatic --noinput",
    )


def collect_static_files(command: Command, manage_py: str, on_line: Callable[[str], None]) -> bool:
    """Run it; False when the app has not enabled Django's staticfiles at all."""
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        if UNKNOWN_COMMAND not in line and not line.startswith("Type 'manage.py help'"):
            on_line(line)

    try:
        stream(command, show)
    except CommandFailedError as err:
        if is_not_enabled(lines):
            return False
        # Thirty regular expressions that only a failure needs.
        from buildpack.frameworks.django_errors import CollectstaticError
        from buildpack.frameworks.django_failures import explain_failure

        for line in debug_lines(command.env):
            on_line(line)
        settings = settings_of(command.cwd, manage_py, command.env)
        env = {**command.env, **({SETTINGS: settings} if settings else {})}
        failure = explain_failure(lines, str(command.cwd), env)
        raise CollectstaticError(manage_py, failure, err.code) from err
    return True


def settings_of(build_dir: Path, manage_py: str, env: Mapping[str, str]) -> str:
    """The settings that ``manage_py`` runs with: those of the config var, else its own."""
    if named := env.get(SETTINGS):
        return named
    # A syntax tree that only a failure, or an app without static files, needs.
    from buildpack.frameworks.django_web import settings_module

    return settings_module(build_dir / manage_py)


def is_not_enabled(lines: list[str]) -> bool:
    """Django does not know the command, and knows its settings: staticfiles is not an app of it."""
    text = "\n".join(lines)
    return UNKNOWN_COMMAND in text and NO_SETTINGS not in text


SHOWN_VALUES = frozenset({SETTINGS, "DEBUG", "HOME", "LANG", "PATH", "STACK"})


def debug_lines(env: Mapping[str, str]) -> Iterator[str]:
    """What DEBUG_COLLECTSTATIC adds after a failure: the environment, and not one secret of it.

    A log is read by many, so only values that cannot be secret are shown; of the others, their
    length tells whether they are set and not empty.
    """
    if env.get(DEBUG_SWITCH, "") in {"", "0"}:
        return
    yield ""
    yield f"{DEBUG_SWITCH}: the environment of collectstatic"
    for name, value in sorted(env.items()):
        is_open = name in SHOWN_VALUES or name.startswith("PYTHON")
        shown = printable(value, limit=400) if is_open and not is_secret_name(name) else ""
        length = "1 character" if len(value) == 1 else f"{len(value)} characters"
        yield f"  {name}={shown}" if shown else f"  {name} ({length})"
