"""pdm: pdm.lock read without PDM; whether it is up to date, and what it says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.base import Dependencies
from buildpack.installers.locks.lock_errors import (
    InexactLockError,
    MissingProjectFileError,
    PdmWorkspaceError,
    UnexplainedLockError,
)
from buildpack.installers.locks.pdm_project import PdmProject
from buildpack.installers.locks.project_errors import (
    BrokenFileError,
    InvalidProjectError,
    LockOutOfSyncError,
    LockVersionError,
    UnknownChoiceError,
    UnsupportedEnvironmentError,
)
from buildpack.installers.pdm import read
from buildpack.settings import BuildSettings
from tests.api.compiling import ROOT

PROJECT = """
[project]
name = "shop"
version = "1"
requires-python = ">=3.10"
dependencies = ["flask[async]>=3.1", "colorama; sys_platform == 'win32'"]
[project.optional-dependencies]
fast = ["speedy"]
[dependency-groups]
test = ["pytest>=8"]
all = [{include-group = "test"}]
[tool.pdm]
distribution = false
"""
PACKAGES = """
[[package]]
name = "flask"
version = "3.1.0"
groups = ["default"]
dependencies = ["werk>=3"]
files = [{file = "flask.whl", hash = "sha256:aa"}]
[[package]]
name = "flask"
version = "3.1.0"
extras = ["async"]
groups = ["default"]
dependencies = ["asgi; python_version < '3.12'", "flask==3.1.0"]
files = [{file = "flask.whl", hash = "sha256:aa"}]
[[package]]
name = "asgi"
version = "2.0"
groups = ["default"]
marker = "python_version < '3.12'"
[[package]]
name = "colorama"
version = "0.4"
groups = ["default", "test"]
marker = "sys_platform == 'win32'"
[[package]]
name = "pytest"
version = "8.1"
groups = ["all", "test"]
[[package]]
name = "speedy"
version = "1.0"
groups = ["fast"]
[[package]]
name = "werk"
version = "3.0"
groups = ["default"]
"""


def write(
    root: Path,
    packages: str = PACKAGES,
    *,
    project: str = PROJECT,
    version: str = "4.5.1",
    metadata: str = 'strategy = ["inherit_metadata"]',
    targets: str = '[[metadata.targets]]\nrequires_python = ">=3.10"',
) -> App:
    (root / "pyproject.toml").write_text(project)
    digest = PdmProject(content=tomllib.loads(project)).content_hash()
    (root / "pdm.lock").write_text(
        f'[metadata]\ngroups = ["default", "all", "fast", "test"]\nlock_version = "{version}"\n'
        f'content_hash = "sha256:{digest}"\n{metadata}\n{targets}\n{packages}'
    )
    return App(root=root)


def found(app: App, settings: BuildSettings | None = None) -> Dependencies:
    return read(app, settings or BuildSettings(), {})


def names(app: App, settings: BuildSettings | None = None) -> list[str]:
    return [line.split(" --hash")[0] for line in found(app, settings).requirements.splitlines()]


MAIN = [
    "asgi==2.0 ; python_version < '3.12'",
    "colorama==0.4 ; sys_platform == 'win32'",
    "flask==3.1.0",
    "werk==3.0",
]


@pytest.mark.parametrize("story", ["pdm_basic", "pdm_old_lock"])
def test_the_hash_is_the_one_pdm_wrote(story: str) -> None:
    directory = ROOT / "fixtures" / story
    lock = tomllib.loads((directory / "pdm.lock").read_text())
    project = PdmProject(content=tomllib.loads((directory / "pyproject.toml").read_text()))
    assert f"sha256:{project.content_hash()}" == lock["metadata"]["content_hash"]


@pytest.mark.parametrize("strategy", ['["inherit_metadata"]', "[]"])
def test_groups_extras_and_markers_with_and_without_inherited_metadata(
    strategy: str, tmp_path: Path
) -> None:
    app = write(tmp_path, metadata=f"strategy = {strategy}")
    assert names(app) == MAIN
    with_tests = sorted([*MAIN, "pytest==8.1"])
    assert names(app, BuildSettings(groups=("all",))) == with_tests
    assert "speedy==1.0" in names(app, BuildSettings(extras=("fast",)))
    assert {"pytest==8.1", "speedy==1.0"} <= set(names(app, BuildSettings(is_test=True)))


def test_two_versions_that_fit_are_refused_in_a_walk(tmp_path: Path) -> None:
    twice = PACKAGES + '[[package]]\nname = "werk"\nversion = "3.5"\n'
    with pytest.raises(InexactLockError) as caught:
        names(write(tmp_path, twice, metadata="strategy = []"))
    assert caught.value.findings == ("werk>=3: 3.0 and 3.5 are both locked, and both fit.",)


def test_the_python_requirement_and_the_facts(tmp_path: Path) -> None:
    result = found(write(tmp_path))
    (requirement,) = result.requires_python
    assert requirement.specifier == ">=3.10"
    assert requirement.origin == "pdm.lock (metadata.targets.requires_python)"
    assert result.facts == {"groups": "default"}
    assert sorted(result.inputs) == ["pdm.lock", "pyproject.toml"]


def test_unknown_groups_and_extras(tmp_path: Path) -> None:
    app = write(tmp_path)
    for settings in (BuildSettings(groups=("fast",)), BuildSettings(extras=("test",))):
        with pytest.raises(UnknownChoiceError):
            names(app, settings)


def test_every_kind_of_source(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "w.whl").touch()
    entries = {
        "a": 'path = "./a"',
        "b": 'path = "./b"\neditable = true',
        "c": 'git = "https://c.example"\nrevision = "c0ffee"\nsubdirectory = "s"',
        "d": 'git = "https://d.example"\nrevision = "c0ffee"\neditable = true',
        "e": 'url = "https://e.example/e.zip"\nfiles = [{url = "x", hash = "sha256:ee"}]',
        "w": 'url = "file:///${PROJECT_ROOT}/w.whl"',
    }
    packages = "".join(
        f'[[package]]\nname = "{name}"\nversion = "1"\ngroups = ["default"]\n{body}\n'
        for name, body in entries.items()
    )
    result = found(write(tmp_path, packages))
    assert result.requirements.splitlines() == [
        "a @ ./a",
        "-e ./b",
        "c @ git+https://c.example@c0ffee#subdirectory=s",
        "-e git+https://d.example@c0ffee#egg=d",
        "e @ https://e.example/e.zip --hash=sha256:ee",
        "w @ ./w.whl",
    ]
    assert result.local_paths == ("a", "w.whl", "b")


def test_sources_beside_and_instead_of_the_public_index(tmp_path: Path) -> None:
    beside = (
        '[[tool.pdm.source]]\nname = "own"\nurl = "https://${U}@i.example/simple"\n'
        '[[tool.pdm.source]]\nname = "w"\ntype = "find_links"\nurl = "file:///${PROJECT_ROOT}/w"\n'
    )
    app = write(tmp_path, project=PROJECT + beside)
    lines = read(app, BuildSettings(), {"U": "me"}).requirements.splitlines()
    assert lines[:2] == ["--extra-index-url https://${U}@i.example/simple", "--find-links ./w"]
    instead = (
        '[[tool.pdm.source]]\nname = "pypi"\nurl = "https://i.example/simple"\n'
        'username = "${U}"\npassword = "${P}"\nverify_ssl = false\n'
    )
    app = write(tmp_path, project=PROJECT + instead)
    lines = read(app, BuildSettings(), {"U": "me", "P": "hush"}).requirements.splitlines()
    assert lines[:2] == [
        "--index-url https://${U}:${P}@i.example/simple",
        "--trusted-host i.example",
    ]


def test_excluded_packages_are_left_out(tmp_path: Path) -> None:
    app = write(tmp_path, project=PROJECT + '[tool.pdm.resolution]\nexcludes = ["Werk"]\n')
    assert "werk==3.0" not in names(app)


@pytest.mark.parametrize(
    ("setting", "is_installed"),
    [("", True), ("distribution = false", False), ('package-type = "application"', False)],
)
def test_the_app_itself(setting: str, is_installed: bool, tmp_path: Path) -> None:
    app = write(tmp_path, project=PROJECT.replace("distribution = false", setting))
    assert ("-e ." in names(app)) == is_installed


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("async]>=3.1", "async]>=3.2", ("flask", "flask[async]>=3.2", "flask 3.1.0")),
        ('["pytest>=8"]', '["pytest>=8", "rich"]', ("rich", "rich", "")),
        ('["speedy"]', "[]", ("speedy", "", "speedy 1.0")),
        (">=3.10", ">=3.12", ("Python", "Python >=3.12", "Python >=3.10")),
        ("[async]>=3.1", "[dotenv]", ("flask", "flask[dotenv]", "flask 3.1.0, without [dotenv]")),
        ('"speedy"', '"speedy @ https://x.org/s.zip"',
         ("speedy", "speedy @ https://x.org/s.zip", "speedy 1.0")),
    ],
)  # fmt: skip
def test_what_differs_is_named(
    old: str, new: str, difference: tuple[str, str, str], tmp_path: Path
) -> None:
    app = write(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace(old, new, 1))
    with pytest.raises(LockOutOfSyncError) as caught:
        names(app)
    assert [(d.name, d.wanted, d.locked) for d in caught.value.differences] == [difference]
    assert caught.value.command == "pdm lock"


def test_a_change_that_the_lock_still_satisfies(tmp_path: Path) -> None:
    app = write(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace("c]>=3.1", "c]>=3.0"))
    with pytest.raises(UnexplainedLockError):
        names(app)


def test_with_lock_inputs_the_versions_decide_as_in_pdm(tmp_path: Path) -> None:
    metadata = 'strategy = ["inherit_metadata"]\n[metadata.lock_inputs]\nproject = {}'
    app = write(tmp_path, metadata=metadata)
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace("c]>=3.1", "c]>=3.0"))
    assert names(app) == MAIN


def test_a_lock_for_other_systems(tmp_path: Path) -> None:
    targets = '[[metadata.targets]]\nrequires_python = ">=3.10"\nplatform = "windows_amd64"\n'
    with pytest.raises(UnsupportedEnvironmentError) as caught:
        names(write(tmp_path, targets=targets))
    assert caught.value.environments == ("windows_amd64",)
    names(write(tmp_path, targets=targets + targets.replace("windows", "manylinux_2_17")))


@pytest.mark.parametrize("version", ["3.1", "4.6", "5.0", ""])
def test_a_format_nobody_reads(version: str, tmp_path: Path) -> None:
    with pytest.raises(LockVersionError):
        names(write(tmp_path, version=version))


def test_a_workspace_is_left_to_pdm(tmp_path: Path) -> None:
    with pytest.raises(PdmWorkspaceError) as caught:
        names(write(tmp_path, project=PROJECT + '[tool.pdm.workspace]\nmembers = ["a"]\n'))
    assert caught.value.text() == (
        "Your app is a PDM workspace\n\n"
        "pyproject.toml has a table [tool.pdm.workspace]. Which of its members\n"
        "are installed, and in which versions, only PDM itself can say.\n\n"
        "Let PDM write what to install, and commit it instead of pdm.lock:\n\n"
        "    pdm export --prod -o requirements.txt"
    )


def test_a_lock_without_its_project(tmp_path: Path) -> None:
    (tmp_path / "pdm.lock").touch()
    with pytest.raises(MissingProjectFileError):
        names(App(root=tmp_path))


def test_a_broken_lock_file(tmp_path: Path) -> None:
    app = write(tmp_path)
    (tmp_path / "pdm.lock").write_text("\n<<<<<<< HEAD\n")
    with pytest.raises(BrokenFileError) as caught:
        names(app)
    assert caught.value.details == "pdm.lock:2: this line was left by a merge conflict."
    assert "pdm lock" in caught.value.resolution


@pytest.mark.parametrize(
    "project",
    [
        PROJECT.replace("async]>=3.1", "async]>=oops"),
        PROJECT.replace('"test"}', '"all"}'),
    ],
)
def test_what_is_no_requirement_is_shown(project: str, tmp_path: Path) -> None:
    app = write(tmp_path)
    (tmp_path / "pyproject.toml").write_text(project)
    with pytest.raises(InvalidProjectError) as caught:
        names(app)
    assert caught.value.details.endswith("' is no requirement.")
    assert caught.value.details.startswith("pyproject.toml: '")


DOUBLING = "".join(
    f'g{n} = [{{include-group = "g{n + 1}"}}, {{include-group = "g{n + 1}"}}]\n' for n in range(60)
)


def test_groups_that_double_at_each_step_are_read_once() -> None:
    text = f'[project]\nname = "a"\n[dependency-groups]\n{DOUBLING}g60 = ["pytest"]\n'
    project = PdmProject(content=tomllib.loads(text))
    assert [dependency.name for dependency in project.dependencies("g0")] == ["pytest"]
