"""Pipfile.lock, poetry.lock and pdm.lock: we install what the lock file's own tool installs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers import load_installer
from buildpack.installers.diagnosis.errors import HashMismatchError
from buildpack.installers.diagnosis.network_errors import GitError
from buildpack.installers.locks.project_errors import LockOutOfSyncError
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings
from buildpack.tools import ToolBox
from tests.api.compiling import build_env
from tests.integration.fake_index import Answer, make_wheel, serving
from tests.integration.lock_support import (
    PYTHONS,
    Bench,
    Found,
    git_repository,
    installed,
    replace_in,
)
from tests.pythons import newest
from tests.stories import STORIES

NEWEST = newest()

pytestmark = [pytest.mark.integration, pytest.mark.network]

PIPENV, POETRY, PDM = PackageManager.PIPENV, PackageManager.POETRY, PackageManager.PDM


@pytest.fixture(scope="session")
def lock_tools_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lock-tools")


@pytest.fixture
def bench(lock_tools_dir: Path, tmp_path: Path) -> Bench:
    tools = ToolBox(directory=lock_tools_dir / "wheels", env=build_env())
    return Bench(root=tmp_path, tools_dir=lock_tools_dir, tools=tools)


@pytest.fixture(scope="session")
def pipenv_lock(lock_tools_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lock file of pipenv_basic, made once."""
    root = tmp_path_factory.mktemp("pipenv-lock")
    tools = ToolBox(directory=lock_tools_dir / "wheels", env=build_env())
    bench = Bench(root=root, tools_dir=lock_tools_dir, tools=tools)
    bench.copy("pipenv_basic")
    bench.run(str(bench.program("pipenv")), "lock", venv=bench.desk_venv(PYTHONS[0]))
    return bench.app_dir / "Pipfile.lock"


SIMPLE_SOURCE = """
[[tool.poetry.source]]
name = "simple"
url = "https://pypi.org/simple/"
priority = "primary"
"""
"""Poetry asks the public index by an interface of its own; a mirror may have the usual one."""


def story(name: str) -> set[tuple[str, str]]:
    return {(pin.partition("==")[0], pin.partition("==")[2]) for pin in STORIES[name].installed}


def pins(found: set[Found]) -> set[tuple[str, str]]:
    return {(name, version) for name, version, _ in found}


@pytest.mark.parametrize("series", PYTHONS)
def test_poetry_main_group(series: str, bench: Bench) -> None:
    bench.copy("poetry_basic")
    theirs = bench.tool_installs(series, "poetry", "sync", "--only", "main")
    assert bench.we_install(series, POETRY) == theirs
    more = {("tomli", "2.5.0")} if series == "3.10" else set()
    assert pins(theirs) == story("poetry_basic") | more


def test_poetry_groups_extras_and_tests(bench: Bench) -> None:
    bench.copy("poetry_basic")
    settings = BuildSettings(groups=("prod", "docs"), extras=("fast",))
    words = ("sync", "--only", "main,prod,docs", "--extras", "fast")
    theirs = bench.tool_installs(NEWEST, "poetry", *words)
    assert bench.we_install(NEWEST, POETRY, settings) == theirs
    shutil.rmtree(bench.root / f"ours-{NEWEST}")
    shutil.rmtree(bench.root / f"desk-{NEWEST}")
    theirs = bench.tool_installs(NEWEST, "poetry", "sync")
    assert bench.we_install(NEWEST, POETRY, BuildSettings(is_test=True)) == theirs
    assert {name for name, _, _ in theirs} >= {"pluggy", "itsdangerous"}


@pytest.mark.parametrize("series", PYTHONS)
def test_an_old_poetry_lock_is_walked_from_pyproject(series: str, bench: Bench) -> None:
    app = bench.copy("poetry_old_lock")
    assert 'lock-version = "2.0"' in (app / "poetry.lock").read_text()
    words = ("sync", "--with", "dev", "--extras", "fast")
    theirs = bench.tool_installs(series, "poetry", *words)
    settings = BuildSettings(groups=("dev",), extras=("fast",))
    assert bench.we_install(series, POETRY, settings) == theirs
    assert ("idna", "3.9" if series == "3.10" else "3.10") in pins(theirs)


def test_poetry_links_the_app_whatever_build_backend_it_names(bench: Bench) -> None:
    app = bench.copy("poetry_basic")
    text = (app / "pyproject.toml").read_text()
    (app / "pyproject.toml").write_text(text.partition("[build-system]")[0])
    theirs = bench.tool_installs(NEWEST, "poetry", "sync", "--only", "main")
    venv = bench.our_venv(NEWEST, POETRY)
    assert installed(venv.python) == theirs
    bench.run(str(venv.bin_dir / "shop"))
    pth = next(venv.site_packages.glob("shop.pth"))
    assert pth.read_text().strip() == str(app)


@pytest.mark.parametrize("series", PYTHONS)
def test_pdm_default_group(series: str, bench: Bench) -> None:
    bench.copy("pdm_basic")
    theirs = bench.tool_installs(series, "pdm", "install", "--prod", "--check")
    assert bench.we_install(series, PDM) == theirs
    more = {("tomli", "2.5.0")} if series == "3.10" else set()
    assert pins(theirs) == story("pdm_basic") | more


def test_pdm_groups_extras_and_tests(bench: Bench) -> None:
    bench.copy("pdm_basic")
    words = ("install", "--check", "--without", "dev", "-G", "fast")
    theirs = bench.tool_installs(NEWEST, "pdm", *words)
    settings = BuildSettings(groups=("prod",), extras=("fast",))
    assert bench.we_install(NEWEST, PDM, settings) == theirs
    shutil.rmtree(bench.root / f"ours-{NEWEST}")
    shutil.rmtree(bench.root / f"desk-{NEWEST}")
    theirs = bench.tool_installs(NEWEST, "pdm", "install", "--check")
    assert bench.we_install(NEWEST, PDM, BuildSettings(is_test=True)) == theirs
    assert {name for name, _, _ in theirs} >= {"pluggy", "greeting", "itsdangerous"}


@pytest.mark.parametrize("series", PYTHONS)
def test_a_pdm_lock_without_inherited_metadata_is_walked(series: str, bench: Bench) -> None:
    app = bench.copy("pdm_old_lock")
    assert "inherit_metadata" not in (app / "pdm.lock").read_text()
    theirs = bench.tool_installs(series, "pdm", "install", "--check", "--prod")
    assert bench.we_install(series, PDM) == theirs
    more = {("tomli", "2.5.0")} if series == "3.10" else set()
    assert pins(theirs) == story("pdm_old_lock") | more


@pytest.mark.parametrize("series", PYTHONS)
def test_pipenv_default_category(series: str, bench: Bench, pipenv_lock: Path) -> None:
    app = bench.copy("pipenv_basic")
    shutil.copy(pipenv_lock, app)
    theirs = bench.tool_installs(series, "pipenv", "install", "--deploy")
    assert bench.we_install(series, PIPENV) == theirs
    more = {("tomli", "2.2.1")} if series == "3.10" else set()
    assert pins(theirs) == story("pipenv_basic") | more


def test_pipenv_categories_and_tests(bench: Bench, pipenv_lock: Path) -> None:
    app = bench.copy("pipenv_basic")
    shutil.copy(pipenv_lock, app)
    words = ("install", "--deploy", "--categories", "packages dev-packages prod")
    theirs = bench.tool_installs(NEWEST, "pipenv", *words)
    settings = BuildSettings(groups=("prod",), is_test=True)
    assert bench.we_install(NEWEST, PIPENV, settings) == theirs
    assert {name for name, _, _ in theirs} >= {"pluggy", "itsdangerous", "greeting"}


@pytest.mark.parametrize("manager", [POETRY, PDM, PIPENV])
def test_git_dependencies(manager: PackageManager, bench: Bench) -> None:
    with git_repository(bench.root / "repository", "fromgit", "0.7") as (url, commit):
        (bench.root / "repository" / "tmp").touch()
        theirs, ours = _with_git(bench, manager, url)
    assert ours == theirs
    assert ("fromgit", "0.7", f"{url} {commit} pkg") in theirs


def _with_git(bench: Bench, manager: PackageManager, url: str) -> tuple[set[Found], set[Found]]:
    bench.app_dir.mkdir()
    requirement = f"fromgit @ git+{url}#subdirectory=pkg"
    project = '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.10"\n'
    project += f'dependencies = ["{requirement}"]\n'
    words = {
        POETRY: (("lock",), ("sync",)),
        PDM: (("lock", "-q"), ("install", "--prod", "--check")),
        PIPENV: (("lock",), ("install", "--deploy")),
    }[manager]
    if manager is PIPENV:
        text = f'[packages]\nfromgit = {{ git = "{url}", ref = "main", subdirectory = "pkg" }}\n'
        (bench.app_dir / "Pipfile").write_text(text)
    else:
        end = {
            POETRY: "[tool.poetry]\npackage-mode = false\n" + SIMPLE_SOURCE,
            PDM: "[tool.pdm]\ndistribution = false\n",
        }
        (bench.app_dir / "pyproject.toml").write_text(project + end[manager])
    desk = bench.desk_venv(NEWEST)
    bench.run(str(bench.program(manager)), *words[0], venv=desk)
    theirs = bench.tool_installs(NEWEST, manager, *words[1])
    return theirs, bench.we_install(NEWEST, manager)


def test_an_editable_git_checkout_lies_in_the_virtualenv(bench: Bench) -> None:
    with git_repository(bench.root / "repository", "fromgit", "0.7") as (url, commit):
        app = bench.root / "app"
        app.mkdir()
        (app / "Pipfile.lock").write_text(
            f'{{"_meta": {{"sources": []}}, "default": {{"fromgit": {{"editable": true,'
            f' "git": "{url}", "ref": "{commit}", "subdirectory": "pkg"}}}}, "develop": {{}}}}'
        )
        venv = bench.our_venv(NEWEST, PIPENV)
    assert (venv.root / "src/fromgit/pkg/fromgit/__init__.py").is_file()
    assert not (venv.root / "src/fromgit/.git").exists()
    moved = venv.root.rename(venv.root.with_name("moved"))
    found = bench.run(str(moved / "bin/python"), "-c", "import fromgit; print(fromgit.__file__)")
    assert found.strip() == str(moved / "src/fromgit/pkg/fromgit/__init__.py")


def test_a_checkout_that_fails_names_no_password(bench: Bench) -> None:
    bench.app_dir.mkdir()
    entry = '{"editable": true, "git": "http://me:hush@127.0.0.1:9/x.git", "ref": "c0ffee"}'
    (bench.app_dir / "Pipfile.lock").write_text(f'{{"default": {{"x": {entry}}}}}')
    with pytest.raises(GitError) as caught:
        bench.our_venv(NEWEST, PIPENV)
    assert caught.value.details == "http://127.0.0.1:9/x.git: its host cannot be reached"
    assert "hush" not in caught.value.text()


def test_a_wrong_hash_is_refused_beside_packages_without_one(bench: Bench) -> None:
    wheels = make_wheel(bench.root / "wheels", "pinned", "1.0").parent
    make_wheel(wheels, "plain", "1.0")
    bench.app_dir.mkdir()
    with serving(wheels) as index:
        pinned = f'{{"version": "==1.0", "hashes": ["sha256:{"0" * 64}"]}}'
        (bench.app_dir / "Pipfile.lock").write_text(
            f'{{"default": {{"pinned": {pinned}, "plain": {{"version": "==1.0"}}}}}}'
        )
        with pytest.raises(HashMismatchError) as caught:
            bench.our_venv(NEWEST, PIPENV, None, PIP_INDEX_URL=f"{index.url}/simple")
    assert caught.value.expected == (f"sha256:{'0' * 64}",)


def test_each_package_comes_from_its_own_index_and_no_password_is_written(bench: Bench) -> None:
    """Two indexes have "secret"; the locked one asks for a password that a config var holds."""
    wheels = bench.root / "wheels"
    wheel = make_wheel(wheels, "secret", "1.0")
    with (
        serving(wheels) as index,
        serving(make_wheel(bench.root / "x", "secret", "9").parent) as other,
    ):
        index.rules["/simple/"] = lambda path, authorization: (
            None
            if authorization.startswith("Basic ")
            else Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        )
        bench.app_dir.mkdir()
        url = index.url.replace("http://", "http://${USER_NAME}:${PASSWORD}@") + "/simple"
        (bench.app_dir / "Pipfile.lock").write_text(
            '{"_meta": {"sources": [{"name": "pypi", "url": "https://pypi.org/simple"},'
            f' {{"name": "private", "url": "{url}"}}]}},'
            ' "default": {"secret": {"index": "private", "version": "==1.0"}}}'
        )
        env = {"USER_NAME": "me", "PASSWORD": "hush", "PIP_INDEX_URL": f"{other.url}/simple"}
        found = load_installer(PIPENV).read(App(root=bench.app_dir), BuildSettings(), env)
        assert "hush" not in repr(found)
        assert bench.we_install(NEWEST, PIPENV, None, **env) == {("secret", "1.0", "")}
        assert other.asked == []
    assert wheel.is_file()


@pytest.mark.parametrize(
    ("manager", "change", "said"),
    [
        (POETRY, {"idna==3.10": "idna==3.9"}, "idna"),
        (PDM, {"idna==3.10": "idna==3.9"}, "idna"),
    ],
)
def test_a_change_after_locking_is_named(
    manager: PackageManager, change: dict[str, str], said: str, bench: Bench
) -> None:
    app = bench.copy(f"{manager}_basic")
    replace_in(app / "pyproject.toml", change)
    with pytest.raises(LockOutOfSyncError) as caught:
        load_installer(manager).read(App(root=app), BuildSettings(), {})
    assert [(d.name, d.wanted, d.locked) for d in caught.value.differences] == [
        (said, "idna==3.9", "idna 3.10")
    ]
