"""Lock files with something wrong anywhere: read, or refused in our words, and nothing else.

Bounded and seeded: a failure comes again with the numbers in its name.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from buildpack.installers.locks.pipenv_lock import pipfile_hashes
from buildpack.plan import plan_build
from buildpack.settings import open_app, read_settings
from buildpack.support.errors import SlugkitError
from buildpack.versions.python_version import read_policy

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
ROUNDS = 120
POLICY = read_policy({}, date(2026, 11, 22))

PROJECT = """
[project]
name = "shop"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["flask[async]>=3 ; sys_platform == 'linux'", "prices"]
[project.optional-dependencies]
cache = ["redis>=5"]
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
lint = ["ruff>=0.5"]
[tool.uv]
constraint-dependencies = ["werkzeug<4"]
[tool.uv.sources]
prices = {path = "libs/prices"}
"""
UV_LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[manifest]
constraints = [{ name = "werkzeug", specifier = "<4" }]

[[package]]
name = "flask"
version = "3.1.3"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://x/flask-3.1.3-py3-none-any.whl", hash = "sha256:00", size = 1 }]

[[package]]
name = "prices"
version = "1.0"
source = { directory = "libs/prices" }

[package.metadata]
requires-dist = [{ name = "click" }]

[[package]]
name = "shop"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "flask", extra = ["async"] }]

[package.optional-dependencies]
cache = [{ name = "redis" }]

[package.metadata]
requires-dist = [
    { name = "flask", extras = ["async"], marker = "sys_platform == 'linux'", specifier = ">=3" },
    { name = "prices", directory = "libs/prices" },
    { name = "redis", marker = "extra == 'cache'", specifier = ">=5" },
]
provides-extras = ["cache"]

[package.metadata.requires-dev]
dev = [{ name = "pytest" }, { name = "ruff", specifier = ">=0.5" }]
lint = [{ name = "ruff", specifier = ">=0.5" }]
"""
PYLOCK = """
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.11"
environments = ["sys_platform == 'linux'"]
extras = ["cache"]
dependency-groups = ["dev"]
default-groups = ["dev"]
[[packages]]
name = "flask"
version = "3.1.3"
marker = "sys_platform == 'linux'"
wheels = [{ name = "f-3.1.3-py3-none-any.whl", url = "https://x/f.whl", hashes = {a = "0"} }]
[[packages]]
name = "prices"
directory = { path = "libs/prices", editable = true }
""" + "".join(
    f'[[packages]]\nname = "{name}"\n[packages.sdist]\nurl = "https://x/{name}.zip"\n'
    'hashes = {a = "0"}\n'
    for name in ("pytest", "ruff", "redis")
)
PIPFILE = """
[[source]]
name = "pypi"
url = "https://pypi.org/simple"
verify_ssl = true
[packages]
flask = {version = ">=3", extras = ["async"], markers = "sys_platform == 'linux'"}
prices = {path = "libs/prices", editable = true}
tool = {git = "https://example.com/tool.git", ref = "v1"}
[dev-packages]
pytest = "*"
[requires]
python_version = "3.12"
"""


def pipfile_lock() -> str:
    entry = {"hashes": ["sha256:00"], "index": "pypi", "version": "==3.1.3", "extras": ["async"]}
    lock = {
        "_meta": {
            "hash": {"sha256": pipfile_hashes(tomllib.loads(PIPFILE))[0]},
            "pipfile-spec": 6,
            "requires": {"python_version": "3.12"},
            "sources": [{"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}],
        },
        "default": {
            "flask": {**entry, "markers": "sys_platform == 'linux'"},
            "prices": {"path": "libs/prices", "editable": True},
            "tool": {"git": "https://example.com/tool.git", "ref": "0" * 40},
        },
        "develop": {"pytest": {**entry, "version": "==8.0"}},
    }
    return json.dumps(lock, indent=1)


WRITTEN: Mapping[str, Mapping[str, str]] = {
    "uv": {"pyproject.toml": PROJECT, "uv.lock": UV_LOCK},
    "pylock": {"pylock.toml": PYLOCK},
    "pylock with project": {"pyproject.toml": PROJECT, "pylock.toml": PYLOCK},
    "pipenv": {"Pipfile": PIPFILE, "Pipfile.lock": pipfile_lock()},
    "project": {"pyproject.toml": PROJECT},
}
COPIED = ("poetry_basic", "poetry_old_lock", "pdm_basic", "pdm_old_lock")
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml")
SOURCES = ("pyproject.toml", "Pipfile")
SETTINGS: tuple[Mapping[str, str], ...] = (
    {},
    {"INSTALL_TEST": "1"},
    {"SLUGKIT_EXTRAS": "cache", "SLUGKIT_GROUPS": "dev"},
)
JUNK: tuple[object, ...] = (
    "", 0, -1, 1.5, True, [], {}, "x", "../..", "/etc/passwd", "\0", "é", [[]], [{}], [1],
    {"a": 1}, {"": ""}, ["x"], "file:///etc/passwd", "git+ssh://x@y", "==", "1.0.0.0x", "${HOME}",
    "python_version < '3'", "; ;", "[", "(((", "(" * 3000, "9" * 400, "https://[::1", "a b", "*",
    "sha256:", "^1", ">=3.99", "\n", "-e .", "--x", "x ; os_name == 'y' and (", "a @ b @ c",
    "^" + "9" * 50, "~", "||", "<3 || >4", ">=1,<", "1.*.*", date(2020, 1, 1),
)  # fmt: skip


def toml(value: object) -> str:
    """``value`` in one line of TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(x)}" for k, x in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def nodes(tree: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a document."""
    found: list[tuple[Any, Any]] = []
    if isinstance(tree, dict):
        found = list(tree.items())
    elif isinstance(tree, list):
        found = list(enumerate(tree))
    for key, value in found:
        yield (*path, key)
        yield from nodes(value, (*path, key))


def with_wrong_value(dice: random.Random, tree: dict[str, object]) -> dict[str, object]:
    """A copy in which one to three things are missing, of another type, or nonsense."""
    copied = copy.deepcopy(tree)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = list(nodes(copied))
        if not places:
            break
        *way, last = dice.choice(places)
        holder: Any = copied
        for key in way:
            holder = holder[key]
        change(dice, holder, last)
    return copied


def change(dice: random.Random, holder: Any, key: Any) -> None:
    kind = dice.choice(("missing", "junk", "junk", "wrapped", "table"))
    old = holder[key]
    if kind == "missing":
        del holder[key]
    else:
        holder[key] = {"junk": dice.choice(JUNK), "wrapped": [old], "table": {"x": old}}[kind]


def damaged(dice: random.Random, text: str) -> str:
    """As an editor, a merge or a full disk leaves a file."""
    lines = text.split("\n")
    at = dice.randrange(len(lines))
    how: tuple[Callable[[], str], ...] = (
        lambda: text[: dice.randrange(len(text))],
        lambda: "\n".join(lines[:at] + lines[at + 1 :]),
        lambda: "\n".join([*lines[:at], "<<<<<<< HEAD", *lines[at:]]),
        lambda: "\n".join(
            [*lines[:at], dice.choice(('"', "[", "}", "=======", lines[at])), *lines[at:]]
        ),
    )
    return dice.choice(how)()


def mutate(dice: random.Random, name: str, text: str) -> str:
    if dice.random() < 0.25:
        return damaged(dice, text)
    if name.endswith(".lock") and text.startswith("{"):
        return json.dumps(with_wrong_value(dice, json.loads(text)), default=str)
    tree = with_wrong_value(dice, tomllib.loads(text))
    return "".join(f"\n{json.dumps(key)} = {toml(value)}" for key, value in tree.items())


def apps() -> Iterator[tuple[str, str]]:
    for story in (*WRITTEN, *COPIED):
        files = WRITTEN.get(story) or {p.name: "" for p in (FIXTURES / story).iterdir()}
        for name in (*LOCKS, *SOURCES):
            if name in files:
                yield story, name


def make(story: str, app: Path) -> None:
    if story in COPIED:
        shutil.copytree(FIXTURES / story, app)
        return
    (app / "libs" / "prices").mkdir(parents=True)
    (app / "libs" / "prices" / "pyproject.toml").write_text(
        '[project]\nname = "prices"\nversion = "1.0"\ndependencies = ["click"]\n'
    )
    for name, text in WRITTEN[story].items():
        (app / name).write_text(text)


def read(app: Path, settings: Mapping[str, str]) -> str:
    """ "" for a plan, else what the user is told."""
    try:
        choices = read_settings(settings, {})
        plan = plan_build(open_app(app, choices), choices, settings, POLICY)
        json.dumps(plan.as_json()).encode()
        "".join((plan.dependencies.requirements, *plan.dependencies.options)).encode()
    except SlugkitError as err:
        return err.text()
    return ""


@pytest.mark.parametrize("story", [*WRITTEN, *COPIED])
def test_what_is_damaged_below_was_whole(story: str, tmp_path: Path) -> None:
    make(story, tmp_path / "app")
    assert read(tmp_path / "app", {}) == ""


@pytest.mark.parametrize(("story", "name"), list(apps()))
def test_whatever_is_wrong_in_a_file_is_said_in_our_words(
    story: str, name: str, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    make(story, app)
    whole = (app / name).read_text()
    refused = 0
    for number in range(ROUNDS):
        seed = hashlib.sha256(f"{story} {name} {number}".encode()).hexdigest()
        dice = random.Random(seed)
        (app / name).write_text(mutate(dice, name, whole))
        try:
            refused += bool(read(app, dice.choice(SETTINGS)))
        except Exception as err:
            err.add_note(f"round {number}: {(app / name).read_text()[:2000]}")
            raise
    assert refused > ROUNDS / 20  # or nothing was damaged
