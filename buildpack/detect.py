"""Does this directory hold a Python app? Imports os and sys alone, because speed is the feature.

A wide list of names counts on purpose: an app with a small mistake should reach the build and its
helpful message, not "no buildpack found".
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT_FILES = (
    # What the supported package managers read.
    "requirements.txt",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "Pipfile",
    "Pipfile.lock",
    "pdm.lock",
    "pylock.toml",
    "setup.py",
    "setup.cfg",
    # Where a Python version is asked for.
    ".python-version",
    "runtime.txt",
    # Where Python apps usually start.
    "__init__.py",
    "app.py",
    "main.py",
    "manage.py",
    "server.py",
    # Left by a Python that ran here; the app's own files may be missing by accident.
    "__pycache__",
    ".venv",
    "venv",
    # Requirements kept for pip-tools, whose compiled file is missing.
    "requirements.in",
)

MISSPELT_REQUIREMENTS = (
    "requeriments.txt",
    "requirement.txt",
    "requirements",
    "requirements.text",
    "Requirements.txt",
    "requirements.txt.txt",
    "requirments.txt",
)

ADVICE_FILES = ("requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "Pipfile.lock")
"""What we look for one level down, to say "your app is in that directory"."""

SHOWN_ENTRIES = 40


def find_evidence(names: "Sequence[str]") -> "tuple[str, ...]":
    """The names that make this a Python app, in the order of the list above."""
    present = frozenset(names)
    return tuple(name for name in PROJECT_FILES + MISSPELT_REQUIREMENTS if name in present)


def visible(name: str) -> str:
    """``name`` with everything unprintable escaped, so a listing cannot lie."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def list_root(build_dir: str, names: "Sequence[str]") -> "list[str]":
    """The root as a person would see it with ``ls``: directories end in a slash."""
    shown = []
    for name in sorted(names)[:SHOWN_ENTRIES]:
        slash = "/" if os.path.isdir(build_dir + "/" + name) else ""  # noqa: PTH112
        shown.append(visible(name) + slash)
    if len(names) > SHOWN_ENTRIES:
        shown.append("… and " + str(len(names) - SHOWN_ENTRIES) + " more")
    return shown or ["(nothing: the directory is empty)"]


def find_deeper(build_dir: str, names: "Sequence[str]") -> "list[str]":
    """Project files one directory down, as relative paths."""
    deeper = []
    for name in sorted(names):
        for wanted in ADVICE_FILES:
            if os.path.isfile("/".join((build_dir, name, wanted))):  # noqa: PTH113
                deeper.append(visible(name) + "/" + wanted)
    return deeper


def failure_message(build_dir: str, names: "Sequence[str]") -> str:
    """What is said on standard error when nothing here looks like Python."""
    lines = [
        "Error: This does not look like a Python app.",
        "",
        "A Python app has at least one of these files in its root",
        "directory: " + ", ".join(ADVICE_FILES[:3]) + ",",
        ", ".join(ADVICE_FILES[3:]) + ".",
        "",
        "The root directory of this app holds:",
        "",
    ]
    lines += ["  " + entry for entry in list_root(build_dir, names)]
    deeper = find_deeper(build_dir, names)
    if deeper:
        lines += ["", "Found " + deeper[0] + ": if that is your app, build the"]
        lines += ["directory '" + deeper[0].rpartition("/")[0] + "' instead."]
    lines += [
        "",
        "If the app has one of these files, check that:",
        "",
        "1. It is in the root directory, not in a subdirectory.",
        "2. Its name is spelt right (upper and lower case differ).",
        "3. It is not left out by .gitignore or .slugignore.",
        "4. It was added and committed to git.",
        "",
        "Otherwise add an empty requirements.txt to the root directory:",
        "",
        "    touch requirements.txt",
    ]
    return "".join(" !     " + line + "\n" if line else " !\n" for line in lines)


def main(argv: "Sequence[str]") -> int:
    """``bin/detect BUILD_DIR``: 0 and "Python" on standard output, or 1 and the reasons."""
    if len(argv) != 2:
        sys.stderr.write(" !     Error: Usage: bin/detect BUILD_DIR\n")
        return 1
    build_dir = argv[1]
    try:
        names = os.listdir(build_dir)  # noqa: PTH208 - pathlib would cost more than the whole phase
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        sys.stderr.write(
            " !     Error: Cannot read the app directory '"
            + visible(build_dir)
            + "': "
            + reason
            + ".\n"
        )
        return 1
    if find_evidence(names):
        sys.stdout.write("Python\n")
        return 0
    sys.stderr.write("\n" + failure_message(build_dir, names) + "\n")
    return 1
