"""uv_project and uv_lock: the lock is compared with its projects, in words a person can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.base import PythonRequirement
from buildpack.installers.locks.project_errors import (
    BrokenFileError,
    Difference,
    InvalidProjectError,
    LocalPathError,
    LockOutOfSyncError,
    LockVersionError,
    RequiredUvVersionError,
    UnknownChoiceError,
)
from buildpack.installers.uv_project import read
from buildpack.installers.uv_run import classify_uv_failure, lock_is_old
from buildpack.settings import BuildSettings

PYPROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["flask>=3,<4", "rich[jupyter] ; python_version < '3.12'"]

[project.optional-dependencies]
web = ["gunicorn>=23"]

[dependency-groups]
dev = ["pytest>=8", { include-group = "lint" }]
lint = ["ruff"]
"""

LOCK = """\
version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "app"
version = "1.0"
source = { virtual = "." }
dependencies = [
    { name = "flask" },
]

[package.metadata]
requires-dist = [
    { name = "flask", specifier = ">=3,<4" },
    { name = "gunicorn", marker = "extra == 'web'", specifier = ">=23" },
    { name = "rich", extras = ["jupyter"], marker = "python_full_version < '3.12'" },
]
provides-extras = ["web"]

[package.metadata.requires-dev]
dev = [
    { name = "pytest", specifier = ">=8" },
    { name = "ruff" },
]
lint = [{ name = "ruff" }]

[[package]]
name = "flask"
version = "3.1.0"
source = { registry = "https://index.example/simple" }
"""


def app_of(root: Path, *, pyproject: str = PYPROJECT, lock: str = LOCK, **files: str) -> App:
    for name, text in {"pyproject.toml": pyproject, "uv.lock": lock, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return App(root=root)


def found(
    root: Path, *, pyproject: str = PYPROJECT, lock: str = LOCK, **files: str
) -> LockOutOfSyncError:
    with pytest.raises(LockOutOfSyncError) as raised:
        read(app_of(root, pyproject=pyproject, lock=lock, **files), BuildSettings(), {})
    return raised.value


def differs(name: str, locked: str, wanted: str) -> tuple[Difference, ...]:
    return (Difference(name=name, locked=locked, wanted=wanted),)


def test_a_lock_in_step_is_read(tmp_path: Path) -> None:
    dependencies = read(app_of(tmp_path), BuildSettings(), {})
    assert dependencies.source == "uv.lock"
    assert sorted(dependencies.inputs) == ["pyproject.toml", "uv.lock"]
    assert dependencies.options == ("--locked", "--no-default-groups")
    assert dependencies.local_paths == ()
    assert dependencies.requires_python == (
        PythonRequirement(specifier=">=3.10", origin="pyproject.toml (requires-python)"),
        PythonRequirement(specifier=">=3.10", origin="uv.lock (requires-python)"),
    )


def test_groups_extras_and_tests_become_options_of_uv_sync(tmp_path: Path) -> None:
    settings = BuildSettings(groups=("lint",), extras=("Web",), is_test=True)
    dependencies = read(app_of(tmp_path), settings, {})
    assert dependencies.options == ("--locked", "--group", "lint", "--extra", "web")
    assert dependencies.facts == {"groups": "lint", "extras": "web"}


def test_a_changed_dependency_is_named_with_both_texts(tmp_path: Path) -> None:
    error = found(tmp_path, pyproject=PYPROJECT.replace("flask>=3,<4", "flask>=3.1,<4"))
    assert error.differences == differs("flask", "flask>=3,<4", "flask>=3.1,<4")
    assert error.id == "install::lock-out-of-sync"
    assert error.text() == (
        "uv.lock does not match pyproject.toml\n\n"
        "Nothing was installed. What differs:\n\n"
        "  flask:\n"
        "    pyproject.toml: flask>=3.1,<4\n"
        "    uv.lock:        flask>=3,<4\n\n"
        "Write the lock file again and commit it:\n\n"
        "    uv lock\n    git add uv.lock"
    )


def test_everything_that_differs_is_told_in_one_go(tmp_path: Path) -> None:
    text = PYPROJECT.replace('"flask>=3,<4", ', '"django", ').replace('"pytest>=8"', '"pytest>=9"')
    error = found(tmp_path, pyproject=text.replace('version = "1.0"', 'version = "1.1"'))
    assert error.text().splitlines()[4:13] == [
        "  version of app:",
        "    pyproject.toml: 1.1",
        "    uv.lock:        1.0",
        "  django: pyproject.toml asks for django, uv.lock lacks it",
        "  flask: uv.lock has flask>=3,<4, pyproject.toml no longer asks for it",
        "  group dev: pytest:",
        "    pyproject.toml: pytest>=9",
        "    uv.lock:        pytest>=8",
        "",
    ]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("[jupyter]", "", "rich"),
        ("python_version < '3.12'", "python_version < '3.13'", "rich"),
        ("web = [", "net = [", "gunicorn"),
        ('requires-python = ">=3.10"', 'requires-python = ">=3.11"', "requires-python"),
        ('"ruff"', '"ruff>=0.5"', "group dev: ruff"),
        ("[dependency-groups]", '[build-system]\nrequires = ["x"]\n[dependency-groups]', "app"),
        (
            "[dependency-groups]",
            '[tool.uv.sources]\nflask = { git = "https://x.example" }\n[dependency-groups]',
            "flask",
        ),
        (
            "[dependency-groups]",
            '[tool.uv]\nconstraint-dependencies = ["six<2"]\n[dependency-groups]',
            "constraint-dependencies: six",
        ),
        ('name = "app"', 'name = "other"', "name of the project"),
    ],
)
def test_what_else_makes_a_lock_old(old: str, new: str, name: str, tmp_path: Path) -> None:
    assert old in PYPROJECT
    error = found(tmp_path, pyproject=PYPROJECT.replace(old, new, 1))
    assert name in [difference.name for difference in error.differences]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("flask>=3,<4", "Flask <4, >=3"),
        ("python_version < '3.12'", "python_version<'3.12'"),
        ("python_version < '3.12'", "python_version <= '3.11'"),
        ('requires-python = ">=3.10"', 'requires-python = ">= 3.10"'),
        ('version = "1.0"', 'version = "1"'),
        ("[dependency-groups]", "[tool.uv]\npackage = false\n[dependency-groups]"),
    ],
)
def test_another_spelling_is_no_difference(old: str, new: str, tmp_path: Path) -> None:
    assert old in PYPROJECT
    read(app_of(tmp_path, pyproject=PYPROJECT.replace(old, new, 1)), BuildSettings(), {})


def test_dependencies_that_are_computed_are_left_to_uv(tmp_path: Path) -> None:
    text = PYPROJECT.replace("dependencies = [", 'dynamic = ["dependencies"]\nold = [', 1)
    read(app_of(tmp_path, pyproject=text), BuildSettings(), {})


WORKSPACE = """\
version = 1
requires-python = ">=3.10"

[manifest]
members = ["app", "lib"]

[[package]]
name = "app"
version = "1.0"
source = { virtual = "." }

[package.metadata]
requires-dist = [{ name = "lib", editable = "packages/lib" }]

[[package]]
name = "lib"
version = "0.1"
source = { editable = "packages/lib" }

[package.metadata]
requires-dist = [{ name = "six", specifier = ">=1.16" }]
"""
ROOT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["lib"]

[tool.uv.workspace]
members = ["packages/*"]

[tool.uv.sources]
lib = { workspace = true }
"""
MEMBER = """\
[project]
name = "lib"
version = "0.1"
dependencies = ["six>=1.16"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""


def test_members_of_a_workspace_are_inputs_and_installed_paths(tmp_path: Path) -> None:
    app = app_of(
        tmp_path, pyproject=ROOT, lock=WORKSPACE, **{"packages/lib/pyproject.toml": MEMBER}
    )
    dependencies = read(app, BuildSettings(), {})
    assert "packages/lib/pyproject.toml" in dependencies.inputs
    assert "names in packages/lib" in dependencies.inputs


def test_a_member_whose_build_may_do_anything_counts_with_all_its_files(tmp_path: Path) -> None:
    member = MEMBER.replace("hatchling.build", "setuptools.build_meta")
    app = app_of(
        tmp_path, pyproject=ROOT, lock=WORKSPACE, **{"packages/lib/pyproject.toml": member}
    )
    assert read(app, BuildSettings(), {}).local_paths == ("packages/lib",)


def test_a_changed_member_is_named(tmp_path: Path) -> None:
    member = MEMBER.replace("six>=1.16", "six>=1.17")
    files = {"packages/lib/pyproject.toml": member}
    error = found(tmp_path, pyproject=ROOT, lock=WORKSPACE, **files)
    assert error.differences == differs("lib: six", "six>=1.16", "six>=1.17")


def test_local_packages_outside_the_source_or_missing_are_all_named(tmp_path: Path) -> None:
    lock = WORKSPACE + '\n[[package]]\nname = "x"\nsource = { directory = "../x" }\n'
    with pytest.raises(LocalPathError) as raised:
        read(app_of(tmp_path, pyproject=ROOT, lock=lock), BuildSettings(), {})
    assert raised.value.text() == (
        "uv.lock names local packages that are not there\n\n"
        "  packages/lib: not in your app\n  ../x: outside your app\n\n"
        "Only your app's source is there when it is built. Commit these\n"
        "packages to it, or install them from a package index or from git."
    )


def test_an_app_in_a_subdirectory_may_use_packages_beside_it(tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    lock = LOCK + '\n[[package]]\nname = "x"\nsource = { directory = "../libs" }\n'
    app = app_of(tmp_path / "service", lock=lock)
    assert read(app, BuildSettings(app_dir="service"), {}).local_paths == ("../libs",)


def test_without_requires_python_uv_is_not_asked_about_the_lock(tmp_path: Path) -> None:
    text = PYPROJECT.replace('requires-python = ">=3.10"\n', "")
    dependencies = read(app_of(tmp_path, pyproject=text), BuildSettings(), {})
    assert dependencies.options[0] == "--frozen"


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ("", "uv.lock: the file is empty."),
        (LOCK.replace("[package.metadata]", "<<<<<<< HEAD"), "uv.lock:13: this line was left by"),
        (LOCK.replace('">=3,<4" },', '">=3,<4" ;'), "uv.lock:15: this is not TOML: "),
    ],
)
def test_a_broken_lock_is_told_with_its_line(lock: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenFileError) as raised:
        read(app_of(tmp_path, lock=lock), BuildSettings(), {})
    assert words in raised.value.text()
    assert raised.value.text().endswith("Write it again:\n\n    uv lock")


def test_a_lock_of_a_later_format_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(LockVersionError) as raised:
        read(
            app_of(tmp_path, lock=LOCK.replace("version = 1", "version = 2", 1)),
            BuildSettings(),
            {},
        )
    assert "Its version is 2; this buildpack reads version 1." in raised.value.text()


@pytest.mark.parametrize("wanted", [">=99", "0.1.0", "==0.5.*", "nonsense"])
def test_another_uv_than_ours_is_explained(wanted: str, tmp_path: Path) -> None:
    text = PYPROJECT + f'[tool.uv]\nrequired-version = "{wanted}"\n'
    with pytest.raises(RequiredUvVersionError) as raised:
        read(app_of(tmp_path, pyproject=text), BuildSettings(), {})
    ours = raised.value.ours
    assert raised.value.text() == (
        f"Your app asks for another version of uv than {ours}\n\n"
        f"pyproject.toml [tool.uv] has required-version = '{wanted}'. Builds use\n"
        f"uv {ours}, pinned with its checksum, so that they are repeatable.\n\n"
        f"Widen it so that {ours} is allowed, for example:\n\n"
        f'    required-version = ">={ours}"\n\nor remove required-version.'
    )


def test_uv_toml_counts_instead_of_pyproject(tmp_path: Path) -> None:
    text = PYPROJECT + '[tool.uv]\nrequired-version = ">=99"\n'
    files = {"uv.toml": 'required-version = ">=0.4"\n'}
    dependencies = read(app_of(tmp_path, pyproject=text, **files), BuildSettings(), {})
    assert "uv.toml" in dependencies.inputs


def test_an_unknown_group_or_extra_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownChoiceError) as raised:
        read(app_of(tmp_path), BuildSettings(groups=("docs", "e2e", "dev")), {})
    assert raised.value.text() == (
        "SLUGKIT_GROUPS names what pyproject.toml does not have\n\n"
        "Not in pyproject.toml: 'docs', 'e2e'. It has: dev, lint.\n\n"
        "Correct SLUGKIT_GROUPS, or remove it."
    )
    with pytest.raises(UnknownChoiceError) as raised:
        read(app_of(tmp_path), BuildSettings(extras=("x",)), {})
    assert raised.value.setting == "SLUGKIT_EXTRAS"


def test_every_mistake_of_a_project_is_told_with_its_line(tmp_path: Path) -> None:
    text = PYPROJECT.replace("flask>=3,<4", "flask=>3").replace(">=3.10", "^3.10")
    text = text.replace('"lint" }', '"lnt" }')
    with pytest.raises(InvalidProjectError) as raised:
        read(app_of(tmp_path, pyproject=text), BuildSettings(), {})
    problems = raised.value.problems
    assert [problem.partition(" ")[0] for problem in problems] == [
        "pyproject.toml:5:", "pyproject.toml:11:", "pyproject.toml:4:",
    ]  # fmt: skip
    assert problems[0].startswith("pyproject.toml:5: flask=>3\n    ")
    assert problems[1].endswith("the group 'dev' includes 'lnt', which does not exist")
    assert "It should look like '>=3.10,<4'." in problems[2]


def test_uvs_own_refusals_become_errors_of_ours() -> None:
    old = "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided."
    is_old = lock_is_old("uv.lock", "pyproject.toml", "uv lock")
    error = classify_uv_failure([old], "", 1, lock_error=is_old)
    assert error.id == "install::lock-out-of-sync"
    assert error.text() == (
        "uv.lock does not match pyproject.toml\n\n"
        "Nothing was installed. The dependencies in it are those of your app, but\n"
        "something else that decides it was changed: an index, a constraint, a\n"
        "setting in [tool.uv], or a local package.\n\n"
        "Write the lock file again and commit it:\n\n    uv lock\n    git add uv.lock"
    )
    version = "error: Required uv version `>=99` does not match the running version `0.13.9`."
    error = classify_uv_failure([version], "", 2, lock_error=is_old)
    assert isinstance(error, RequiredUvVersionError)
