"""What detect does where no name decided: a closer look, and then the reasons for its "no".

Apart from detect.py, which is compiled anew at every start where nothing may be written.
"""

import os

from buildpack.detect import APP_DIR, PROJECT_FILES, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ADVICE_FILES = ("requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "Pipfile.lock")
"""What we look for one level down, to say "your app is in that directory"."""

NOT_AN_APP = frozenset(
    (".git", ".heroku", ".tox", ".venv", "node_modules", "requirements", "site-packages", "venv")
)

CONDA_FILES = ("environment.yml", "environment.yaml", "conda.yml", "pixi.toml")

FOR_A_DEPLOY = (
    "prod", "production", "deploy", "deployment", "heroku", "requirements txt", "base", "common",
)  # fmt: skip
"""In the name of the requirements file that a deploy most likely means, the likeliest first."""

NOT_FOR_A_DEPLOY = (
    "dev", "devel", "develop", "development", "test", "tests", "testing", "local", "doc", "docs",
    "lint", "linting", "ci",
)  # fmt: skip
"""Whole words: "ci" is in "citrus" as well."""

SHOWN_ENTRIES = 40
SHOWN_DIRECTORIES = 5

SCRIPT_MARK = b"# /// script"
"""The first line of a script's own requirements (PEP 723)."""

LONGEST_PREAMBLE = 65536


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
    """Project files one or two directories down, as relative paths, the shallowest first."""
    deeper = []
    level = [name for name in sorted(names) if name not in NOT_AN_APP][:200]
    for _ in range(2):
        below = []
        for directory in level:
            path = build_dir + "/" + directory
            found = subdirectories_and_files(path)
            deeper += [visible(directory) + "/" + name for name in ADVICE_FILES if name in found]
            below += [directory + "/" + name for name in found if name not in NOT_AN_APP]
        level = below[:200]
    return deeper


def subdirectories_and_files(path: str) -> "list[str]":
    """What a directory holds; nothing for a file, or for one we may not read."""
    try:
        return sorted(os.listdir(path))  # noqa: PTH208
    except OSError:
        return []


def find_other_evidence(build_dir: str, names: "Sequence[str]") -> "tuple[str, ...]":
    """What takes a closer look, when no name in the list above was there.

    A named lock file (PEP 751), the file that SLUGKIT_REQUIREMENTS names, a script that carries
    its own requirements (PEP 723).
    """
    found = [name for name in names if name.startswith("pylock.") and name.endswith(".toml")]
    for name in os.environ.get("SLUGKIT_REQUIREMENTS", "").replace(",", " ").split():
        if os.path.isfile(build_dir + "/" + name):  # noqa: PTH113
            found.append(name)
    if not found:
        scripts = [name for name in sorted(names) if name.endswith(".py")]
        found = [name for name in scripts if is_script(build_dir + "/" + name)]
    return tuple(found)


def is_script(path: str) -> bool:
    """Does a Python file say what it needs? Never waits for a named pipe."""
    if not os.path.isfile(path):  # noqa: PTH113
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return any(line.rstrip() == SCRIPT_MARK for line in file.readlines(LONGEST_PREAMBLE))
    except OSError:
        return False


def find_near_misses(names: "Sequence[str]") -> "list[tuple[str, str]]":
    """Names that differ from a project file's only in capitals: what it is, and should be."""
    right = {name.lower(): name for name in PROJECT_FILES}
    wrong = [name for name in sorted(names) if name not in PROJECT_FILES]
    return [(name, right[name.lower()]) for name in wrong if name.lower() in right]


def find_requirements(build_dir: str, names: "Sequence[str]") -> "list[str]":
    """Requirements files by other names, the one a deploy would install first."""
    below = subdirectories_and_files(build_dir + "/requirements")
    found = [name for name in sorted(names) if "requirements" in name.lower()]
    found = [name for name in found if name.lower() != "requirements.txt"]
    found += ["requirements/" + name for name in below]
    found = [name for name in found if name.endswith(".txt") and visible(name) == name]
    found = [name for name in found if not any(has_word(name, x) for x in NOT_FOR_A_DEPLOY)]
    return sorted(found, key=lambda name: [not has_word(name, word) for word in FOR_A_DEPLOY])


def has_word(name: str, words: str) -> bool:
    """Are these words in a file's name, one after the other, whatever stands between them?"""
    letters = "".join(sign if sign.isalpha() else " " for sign in name.lower())
    return " " + words + " " in " " + " ".join(letters.split()) + " "


def hints(build_dir: str, names: "Sequence[str]", app_dir: str = "") -> "list[str]":
    """What may have been meant, as lines for a person; an empty one before each paragraph."""
    lines = []
    for name, right in find_near_misses(names):
        lines += ["", "Found " + visible(name) + ", which has another spelling. Rename it:", ""]
        lines += ["    git mv " + visible(name) + " " + right]
    for name in find_requirements(build_dir, names)[:1]:
        lines += ["", "Found " + name + ". If your app is to have the packages in it:", ""]
        lines += ["    echo '-r " + name + "' > requirements.txt"]
    for name in [name for name in CONDA_FILES if name in names][:1]:
        lines += ["", "Found " + name + ". Conda's environments are not built here. In one that"]
        lines += ["works, with pip in it, write down its Python packages:", ""]
        lines += ["    pip list --format=freeze > requirements.txt"]
    deeper = find_deeper(build_dir, names)
    directories = list(dict.fromkeys(name.rpartition("/")[0] for name in deeper))
    if len(directories) == 1:
        lines += ["", "Found " + deeper[0] + ". If your app is in that directory, set:", ""]
    elif directories:
        lines += ["", "Found such files further down. If your app is in one of these"]
        lines += ["directories, set:", ""]
    setting = "    " + APP_DIR + "=" + (app_dir + "/" if app_dir else "")
    lines += [setting + name for name in directories[:SHOWN_DIRECTORIES]]
    return lines


def failure_message(build_dir: str, names: "Sequence[str]", app_dir: str = "") -> str:
    """What is said on standard error when nothing here looks like Python.

    ``app_dir`` is where in its source this directory is: commands are typed, and settings seen,
    from there.
    """
    from buildpack.support.output import typed_in  # its imports would slow down every detect

    app_dir = "" if app_dir == "." else app_dir
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
    lines += hints(build_dir, names, app_dir)
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
    lines = typed_in(app_dir, "\n".join(lines)).split("\n")
    return "".join(" !     " + line + "\n" if line else " !\n" for line in lines)
