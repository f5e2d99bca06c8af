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
APP_DIR = "SLUGKIT_APP_DIR"
"""Where in the source the app is; an environment variable here, as detect sees no config vars."""


def find_evidence(names: "Sequence[str]") -> "tuple[str, ...]":
    """The names that make this a Python app, in the order of the list above."""
    present = frozenset(names)
    return tuple(name for name in PROJECT_FILES + MISSPELT_REQUIREMENTS if name in present)


def visible(name: str) -> str:
    """``name`` with everything unprintable escaped, so a listing cannot lie."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def main(argv: "Sequence[str]") -> int:
    """``bin/detect BUILD_DIR``: 0 and "Python" on standard output, or 1 and the reasons."""
    if len(argv) != 2:
        sys.stderr.write(" !     Error: Usage: bin/detect BUILD_DIR\n")
        return 1
    app_dir = os.environ.get(APP_DIR, "").strip().strip("/")
    build_dir = argv[1] + "/" + app_dir if app_dir else argv[1]
    if ".." in app_dir.split("/"):
        sys.stderr.write(" !     Error: " + APP_DIR + " leads out of the source.\n")
        return 1
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
        if app_dir:
            sys.stderr.write(" !     It is what " + APP_DIR + " names.\n")
        return 1
    if find_evidence(names):
        sys.stdout.write("Python\n")
        return 0
    from buildpack.detect_closely import failure_message, find_other_evidence

    if find_other_evidence(build_dir, names):
        sys.stdout.write("Python\n")
        return 0
    sys.stderr.write("\n" + failure_message(build_dir, names, app_dir) + "\n")
    return 1
