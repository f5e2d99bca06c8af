"""An app in a subdirectory: what lies beside it counts, what lies outside the source does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.checks import ReservedDirectoryError, check_reserved_directories
from buildpack.installers import requirements, uv_project
from buildpack.installers.base import Install
from buildpack.installers.locks.project_errors import LockOutOfSyncError, UnknownChoiceError
from buildpack.installers.requirements import requirements_files, write_translated
from buildpack.package_manager import (
    ChosenFileMissingError,
    PackageManager,
    determine_package_manager,
)
from buildpack.requirement_checks import InvalidRequirementsError
from buildpack.runtime.install import Runtime
from buildpack.settings import BuildSettings, open_app
from buildpack.tools import ToolBox
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion

API = BuildSettings(app_dir="services/api")


VERSION = PythonVersion(major=3, minor=13, patch=0)


def app_of(root: Path, **files: str) -> App:
    """``a__b_txt`` is a/b.txt; the app is in services/api."""
    for name, text in files.items():
        path = root / "source" / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return open_app(root / "source", API)


def install_of(app: App, scratch: Path) -> Install:
    runtime = Runtime(home=scratch, version=VERSION, provider="host", build_id="b", reason="")
    return Install(
        uv=scratch / "uv",
        venv=Venv(root=scratch / "venv", version=VERSION),
        app_dir=app.root,
        source_dir=app.source,
        scratch_dir=scratch,
        cache_dir=scratch,
        env={},
        runtime=runtime,
        tools=ToolBox(directory=scratch, env={}),
    )


def test_requirements_beside_the_app_are_read_with_all_they_include(tmp_path: Path) -> None:
    app = app_of(
        tmp_path,
        services__api__requirements_txt="-r ../../base.txt\n-c ../limits.txt\n-e ../../libs/x\n",
        base_txt="-r more/web.txt\nidna\n",
        more__web_txt="flask\n",
        services__limits_txt="flask<4\n",
        libs__x__note_txt="",
    )
    (tmp_path / "source/libs/x/setup.py").write_text("")
    found = requirements.read(app, API, {})
    assert sorted(found.inputs) == [
        "../../base.txt", "../../more/web.txt", "../limits.txt", "requirements.txt",
    ]  # fmt: skip
    assert found.local_paths == ("../../libs/x",)
    scratch = tmp_path / "scratch"
    names = write_translated(found, install_of(app, scratch))
    assert names == ("-r", f"{scratch}/services/api/requirements.txt")
    assert (scratch / "base.txt").read_text() == "-r more/web.txt\nidna\n"
    assert (scratch / "more" / "web.txt").read_text() == "flask\n"
    assert (scratch / "services" / "limits.txt").read_text() == "flask<4\n"


def test_what_lies_outside_the_source_is_refused_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("")
    (tmp_path / "lib").mkdir()
    lines = "-r ../../../outside.txt\n-c /etc/hosts\n-e ../../../lib\n../../../lib\n"
    app = app_of(tmp_path, services__api__requirements_txt=lines)
    with pytest.raises(InvalidRequirementsError) as caught:
        requirements.read(app, API, {})
    assert [(p.number, p.message) for p in caught.value.problems] == [
        (1, "This file is outside your app."),
        (2, "This file is outside your app."),
        (3, "This path is outside your app."),
        (4, "This path is outside your app."),
    ]


def test_a_link_does_not_lead_out_either(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    app = app_of(tmp_path, services__api__requirements_txt="-e ../lib\n")
    (app.root.parent / "lib").symlink_to(tmp_path / "lib")
    with pytest.raises(InvalidRequirementsError) as caught:
        requirements.read(app, API, {})
    assert caught.value.problems[0].message == "This path is outside your app."


def test_the_files_of_a_setting_may_lie_beside_the_app(tmp_path: Path) -> None:
    app = app_of(tmp_path, services__api__app_txt="", requirements__api_txt="")
    settings = BuildSettings(requirements_files=("../../requirements/api.txt",))
    assert requirements_files(app, settings) == ("../../requirements/api.txt",)


def test_what_the_build_makes_is_looked_for_at_the_root_of_the_source(tmp_path: Path) -> None:
    app = app_of(tmp_path, services__api__requirements_txt="")
    (app.root / ".heroku" / "python").mkdir(parents=True)
    check_reserved_directories(app)
    (tmp_path / "source" / ".heroku" / "python").mkdir(parents=True)
    with pytest.raises(ReservedDirectoryError) as caught:
        check_reserved_directories(app)
    assert caught.value.listing == (".heroku/python",)


ROOT = """\
[project]
name = "all"
version = "1.0"
requires-python = ">=3.10"

[tool.uv.workspace]
members = ["services/*", "libs/*"]
exclude = ["services/old"]
"""
MEMBER = """\
[project]
name = "{name}"
version = "0.1"
dependencies = [{dependencies}]

[dependency-groups]
prod = ["six"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
LOCK_HEAD = """\
version = 1
requires-python = ">=3.10"

[manifest]
members = ["all", "api", "billing", "shared", "unused"]

[[package]]
name = "all"
version = "1.0"
source = { virtual = "." }
"""
LOCKED = """
[[package]]
name = "{name}"
version = "0.1"
source = {{ editable = "{path}" }}

[package.metadata]
requires-dist = [{requires}]

[package.metadata.requires-dev]
prod = [{{ name = "six" }}]
"""


def workspace_of(root: Path, *, root_toml: str = ROOT, lock: str = "") -> App:
    """Two services and two libraries; the one that is built needs one of those."""
    members = {"services/api": '"shared"', "services/billing": '"unused"'}
    members |= {"libs/shared": "", "libs/unused": ""}
    source = root / "source"
    made = LOCK_HEAD
    for path, dependencies in members.items():
        (source / path).mkdir(parents=True)
        name = Path(path).name
        text = MEMBER.format(name=name, dependencies=dependencies)
        sources = f"[tool.uv.sources]\n{dependencies} = {{ workspace = true }}\n"
        (source / path / "pyproject.toml").write_text(text + (sources if dependencies else ""))
        wanted = dependencies.strip('"')
        requires = f'{{ name = "{wanted}", editable = "libs/{wanted}" }}' if wanted else ""
        made += LOCKED.format(name=name, path=path, requires=requires)
    (source / "pyproject.toml").write_text(root_toml)
    (source / "uv.lock").write_text(lock or made)
    return open_app(source, API)


def test_a_member_of_a_workspace_is_installed_from_the_lock_further_up(tmp_path: Path) -> None:
    app = workspace_of(tmp_path)
    assert determine_package_manager(app, API) is PackageManager.UV
    found = uv_project.read(app, BuildSettings(app_dir="services/api", groups=("prod",)), {})
    assert found.source == "../../uv.lock"
    assert found.options == ("--locked", "--no-default-groups", "--group", "prod")
    assert {"../../uv.lock", "../../pyproject.toml", "pyproject.toml"} <= set(found.inputs)
    linked = {name for name in found.inputs if "names in " in name}
    assert linked == {"../../names in services/api", "../../names in libs/shared"}


def test_the_groups_are_those_of_the_member(tmp_path: Path) -> None:
    app = workspace_of(tmp_path)
    with pytest.raises(UnknownChoiceError) as caught:
        uv_project.read(app, BuildSettings(app_dir="services/api", groups=("nope",)), {})
    assert "services/api/pyproject.toml" in caught.value.text()


def test_a_lock_that_does_not_match_a_member_is_told(tmp_path: Path) -> None:
    app = workspace_of(tmp_path)
    text = (app.root / "pyproject.toml").read_text()
    (app.root / "pyproject.toml").write_text(text.replace('["shared"]', '["shared", "idna"]'))
    with pytest.raises(LockOutOfSyncError) as caught:
        uv_project.read(app, API, {})
    assert "  api: idna: pyproject.toml asks for idna, uv.lock lacks it\n" in caught.value.text()


def test_a_member_that_the_lock_does_not_know_yet_is_told(tmp_path: Path) -> None:
    app = workspace_of(tmp_path, lock=LOCK_HEAD)
    with pytest.raises(LockOutOfSyncError) as caught:
        uv_project.read(app, API, {})
    assert caught.value.details == (
        "Nothing was installed. What differs:\n\n"
        "  member of the workspace: pyproject.toml asks for api in services/api, uv.lock lacks it"
    )


@pytest.mark.parametrize(
    "root_toml",
    [
        ROOT.replace("services/*", "other/*"),
        ROOT.replace("services/old", "services/api"),
        ROOT.replace("services/*", "*"),
        ROOT.partition("[tool.uv")[0],
    ],
    ids=["not a member", "excluded", "one level up", "no workspace"],
)
def test_an_app_beside_a_workspace_stands_alone(tmp_path: Path, root_toml: str) -> None:
    app = workspace_of(tmp_path, root_toml=root_toml)
    assert determine_package_manager(app, API) is PackageManager.PYPROJECT
    with pytest.raises(ChosenFileMissingError):
        determine_package_manager(app, BuildSettings(package_manager="uv"))


def test_a_lock_of_its_own_counts_before_that_of_the_workspace(tmp_path: Path) -> None:
    app = workspace_of(tmp_path)
    (app.root / "poetry.lock").touch()
    assert determine_package_manager(app, API) is PackageManager.POETRY
    chosen = BuildSettings(package_manager="uv", app_dir="services/api")
    assert determine_package_manager(app, chosen) is PackageManager.UV


def test_no_lock_outside_the_source_is_used(tmp_path: Path) -> None:
    workspace_of(tmp_path)
    alone = open_app(tmp_path / "source" / "services" / "api", BuildSettings())
    assert determine_package_manager(alone, BuildSettings()) is PackageManager.PYPROJECT
