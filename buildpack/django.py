"""Django's collectstatic: gathers the app's static files while it is being built."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, stream
from buildpack.support.errors import SlugkitError
from buildpack.venv import Venv

DEEPEST = 3
SWITCH = "DISABLE_COLLECTSTATIC"
SWITCH_FILE = ".heroku/collectstatic_disabled"

FAILURE_CLASSES = (
    ("SyntaxError", "collectstatic-syntax-error", "There is a syntax error in your code."),
    (
        "ImproperlyConfigured",
        "collectstatic-improper-configuration",
        "Django's settings are not complete: often STATIC_ROOT, or a config var\nthat is not set.",
    ),
    (
        "The CSS file",
        "collectstatic-fancy-references",
        "A CSS file refers to a file that does not exist.",
    ),
    ("OSError", "collectstatic-missing-file", "A file or directory is missing."),
    ("FileNotFoundError", "collectstatic-missing-file", "A file or directory is missing."),
)
"""What the output holds, the id in reports, and what it means; first match wins."""


class CollectstaticError(SlugkitError):
    """collectstatic failed; the class of failure is in ``reason_id``."""

    id = "collectstatic-other"

    def __init__(self, manage_py: str, lines: tuple[str, ...], code: int) -> None:
        self.manage_py, self.code = manage_py, code
        text = "\n".join(lines)
        matches = ((i, m) for sign, i, m in FAILURE_CLASSES if sign in text)
        self.reason_id, meaning = next(matches, (self.id, "The reason is in its output above."))
        last = next((line for line in reversed(lines) if line.strip()), "")
        super().__init__(
            "Django's static files could not be collected",
            details=f"'python {manage_py} collectstatic --noinput' ended with exit code {code}:\n"
            f"\n    {last.strip()}\n\n{meaning}",
            resolution="Run the same command on your computer to see it fail. If your app has\n"
            f"no static files of its own, set the config var {SWITCH}=1.",
        )


def find_manage_py(build_dir: Path) -> str | None:
    """The shallowest manage.py, at most three levels down; a regular file, not a link."""
    level = [build_dir]
    for _ in range(DEEPEST):
        below: list[Path] = []
        for directory in level:
            candidate = directory / "manage.py"
            if candidate.is_file() and not candidate.is_symlink():
                return str(candidate.relative_to(build_dir))
            below += _subdirectories(directory)
        level = below
    return None


def _subdirectories(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    except PermissionError:
        return []  # find(1) passes over these as well; reading them is the app check's business.
    return [directory / name for name in sorted(names) if name not in {".heroku", ".git"}]


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
        return None, "Skipped: no manage.py found."
    return manage_py, ""


def collectstatic_command(build_dir: Path, manage_py: str, env: Mapping[str, str]) -> Command:
    """``python manage.py collectstatic --noinput``, as a person would run it."""
    python = str(build_dir / ".heroku" / "venv" / "bin" / "python")
    return Command(
        argv=(python, manage_py, "collectstatic", "--noinput", "--traceback"),
        cwd=build_dir,
        env={"PYTHONPATH": ".", **env},
        title=f"python {manage_py} collectstatic --noinput",
    )


def collect_static_files(
    build_dir: Path, manage_py: str, env: Mapping[str, str], on_line: Callable[[str], None]
) -> bool:
    """Run it; False when the app has not enabled Django's staticfiles at all."""
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        if "Unknown command: 'collectstatic'" not in line:
            on_line(line)

    try:
        stream(collectstatic_command(build_dir, manage_py, env), show)
    except CommandFailedError as err:
        if any("Unknown command: 'collectstatic'" in line for line in lines):
            return False
        raise CollectstaticError(manage_py, tuple(lines), err.code) from err
    return True
