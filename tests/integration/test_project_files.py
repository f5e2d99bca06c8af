"""uv.lock, pylock.toml, pyproject.toml, setup.py and scripts: what is installed is what the tool
of that file installs, and it works wherever the app is moved to.

Lock files name the host of an index, so uv makes them when the tests run, from pinned inputs.
"""

from __future__ import annotations

import base64
import http.server
import json
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import ClassVar

import pytest

from buildpack.installers.built_in_place import restore_built_in_place
from buildpack.installers.diagnosis.source_builds import SourceBuildError
from buildpack.installers.locks.project_errors import (
    UnsupportedEnvironmentError,
    UvLockOutOfSyncError,
)
from buildpack.settings import BuildSettings
from buildpack.support.errors import SlugkitError
from buildpack.tools import ToolBox
from tests.api.compiling import build_env, compile_app
from tests.integration.project_workspace import FIXTURES, Workspace, distributions, names

pytestmark = [pytest.mark.integration, pytest.mark.network]


@pytest.fixture(scope="session")
def tools_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


@pytest.fixture
def tools(tools_dir: Path) -> ToolBox:
    return ToolBox(directory=tools_dir, env=build_env())


@pytest.fixture
def workspace(tools_dir: Path, tools: ToolBox, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, tools_dir / "uv-cache", tools)


@pytest.mark.parametrize("name", ["uv_basic", "uv_workspace"])
def test_a_uv_project_gets_what_uv_sync_installs(name: str, workspace: Workspace) -> None:
    expected = workspace.copy(name)
    ours = distributions(workspace.install().python)
    assert names(ours) == expected
    assert ours == distributions(workspace.uv_sync("--locked", "--no-default-groups"))


def test_groups_and_extras_are_those_that_uv_sync_would_add(workspace: Workspace) -> None:
    workspace.copy("uv_basic")
    chosen = BuildSettings(groups=("docs",), extras=("cli",))
    ours = distributions(workspace.install(chosen).python)
    words = ("--locked", "--no-default-groups", "--group", "docs", "--extra", "cli")
    assert ours == distributions(workspace.uv_sync(*words))
    assert "tomli==2.2.1" in names(ours)


def test_a_build_for_tests_has_the_default_groups(workspace: Workspace) -> None:
    workspace.copy("uv_basic")
    ours = distributions(workspace.install(BuildSettings(is_test=True)).python)
    assert ours == distributions(workspace.uv_sync("--locked"))
    assert "iniconfig==2.1.0" in names(ours)


def test_a_git_dependency_is_installed_at_the_locked_commit(workspace: Workspace) -> None:
    repository = workspace.root / "repository"
    shutil.copytree(FIXTURES / "uv_workspace" / "libs" / "greeting", repository)
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=x", "-c", "user.email=x@y.example", "commit", "-q", "-m", "x"),
    ):
        subprocess.run(("git", *words), cwd=repository, check=True)
    url = f"git+file://{repository}"
    workspace.write(
        pyproject__toml='[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        f'dependencies = ["greeting @ {url}"]\n'
    )
    workspace.uv("lock")
    ours = distributions(workspace.install().python)
    assert ours == distributions(workspace.uv_sync("--locked"))
    assert "vcs_info" in json.dumps(ours)


def test_pips_index_settings_do_not_make_a_uv_lock_look_stale(workspace: Workspace) -> None:
    workspace.copy("uv_basic")
    venv = workspace.install(
        PIP_INDEX_URL="https://no-such-host.invalid/simple", PIP_FIND_LINKS="/nowhere"
    )
    assert names(distributions(venv.python)) == ["idna==3.10", "six==1.17.0"]


def test_a_python_version_file_does_not_make_uv_look_for_another_python(
    workspace: Workspace,
) -> None:
    workspace.copy("uv_basic")
    (workspace.app_dir / ".python-version").write_text("3.10.1\n")
    venv = workspace.install()
    assert names(distributions(venv.python)) == ["idna==3.10", "six==1.17.0"]
    assert str(venv.python.readlink()).startswith("../../python/bin/python3.")


def test_what_only_uv_sees_is_an_error_of_ours_too(workspace: Workspace) -> None:
    workspace.copy("uv_basic")
    file = workspace.app_dir / "pyproject.toml"
    file.write_text(file.read_text() + '[tool.uv]\nresolution = "lowest"\n')
    with pytest.raises(UvLockOutOfSyncError) as raised:
        workspace.install()
    assert raised.value.text().startswith("uv.lock does not match pyproject.toml\n\n")
    assert "    uv lock\n    git add uv.lock" in raised.value.text()


def test_a_lock_of_an_app_without_requires_python_installs_with_an_older_python_too(
    workspace: Workspace,
) -> None:
    workspace.write(
        pyproject__toml='[project]\nname = "app"\nversion = "1"\ndependencies = ["idna==3.10"]\n'
    )
    workspace.uv("lock")
    lock = workspace.app_dir / "uv.lock"
    minor = f'">=3.{sys.version_info.minor}"'
    assert f"requires-python = {minor}" in lock.read_text()
    lock.write_text(lock.read_text().replace(minor, '">=3.9"', 1))
    assert names(distributions(workspace.install().python)) == ["idna==3.10"]


def test_a_pylock_gets_what_pip_installs_from_it(workspace: Workspace) -> None:
    expected = workspace.copy("pylock_basic")
    ours = distributions(workspace.install().python)
    assert names(ours) == expected
    assert [x[:2] for x in ours] == [
        x[:2] for x in distributions(workspace.pip("-r", "pylock.toml"))
    ]


GROUPS = """
lock-version = "1.0"
created-by = "test"
requires-python = ">=3.10"
extras = ["cli"]
dependency-groups = ["dev", "docs"]
default-groups = ["docs"]
"""


MARKERS = {
    "idna": "",
    "click": "'cli' in extras",
    "iniconfig": "'dev' in dependency_groups",
    "tomli": "'docs' in dependency_groups",
    "six": "sys_platform == 'win32'",
}


def pylock_with_groups(workspace: Workspace) -> str:
    """The lock of uv_basic, with the markers that no tool here writes yet."""
    workspace.copy("uv_basic")
    (workspace.app_dir / "uv.lock").unlink()
    words = ("--format", "pylock.toml", "--all-groups", "--all-extras", "--no-emit-project")
    text = workspace.uv("export", "-q", *words)
    (workspace.app_dir / "uv.lock").unlink()
    _, *packages = text.split("[[packages]]\n")
    parts = [GROUPS]
    for package in packages:
        name = package.split('"')[1]
        lines = [x for x in package.splitlines() if not x.startswith("marker = ")]
        if MARKERS.get(name):
            lines.insert(1, f'marker = "{MARKERS[name]}"')
        parts.append("[[packages]]\n" + "\n".join(lines) + "\n")
    (workspace.app_dir / "pyproject.toml").unlink()
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (BuildSettings(), ["idna", "tomli"]),
        (BuildSettings(groups=("dev",)), ["idna", "iniconfig", "tomli"]),
        (BuildSettings(extras=("cli",)), ["click", "idna", "tomli"]),
        (BuildSettings(is_test=True), ["idna", "iniconfig", "tomli"]),
    ],
)
def test_a_pylocks_groups_and_extras_are_installed_by_choice(
    settings: BuildSettings, expected: list[str], workspace: Workspace
) -> None:
    text = pylock_with_groups(workspace)
    (workspace.app_dir / "pylock.toml").write_text(text)
    found = distributions(workspace.install(settings).python)
    assert [name for name, _, _ in found if name != "colorama"] == expected


def test_a_pylock_for_another_system_is_refused(workspace: Workspace) -> None:
    text = pylock_with_groups(workspace)
    text = text.replace("extras =", "environments = [\"sys_platform == 'win32'\"]\nextras =", 1)
    (workspace.app_dir / "pylock.toml").write_text(text)
    with pytest.raises(UnsupportedEnvironmentError) as raised:
        workspace.install()
    assert raised.value.text() == (
        "pylock.toml was not made for this system\n\n"
        "It holds for these environments, and this is none of them:\n\n"
        "  sys_platform == 'win32'\n\n"
        "Make the lock file for Linux and the Python version of your app as\n"
        "well, and commit it."
    )


def test_a_wrong_hash_in_a_pylock_stops_the_build(workspace: Workspace) -> None:
    workspace.copy("pylock_basic")
    lock = workspace.app_dir / "pylock.toml"
    packages = tomllib.loads(lock.read_text())["packages"]
    six = next(package for package in packages if package["name"] == "six")
    digest = six["wheels"][0]["hashes"]["sha256"]
    lock.write_text(lock.read_text().replace(digest, "0" * 64))
    with pytest.raises(SlugkitError) as raised:
        workspace.install()
    assert raised.value.id == "install::hash-mismatch"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (BuildSettings(), ("-e", ".")),
        (BuildSettings(extras=("search",)), ("-e", ".[search]")),
        (BuildSettings(is_test=True), ("-e", ".", "--group", "test")),
    ],
)
def test_a_pyproject_gets_what_pip_installs(
    settings: BuildSettings, words: tuple[str, ...], workspace: Workspace
) -> None:
    workspace.copy("pyproject_only")
    ours = distributions(workspace.install(settings).python)
    assert ours == distributions(workspace.pip(*words))


def test_a_setup_py_gets_what_pip_installs_and_leaves_no_trace_in_the_source(
    workspace: Workspace,
) -> None:
    workspace.copy("setup_py_only")
    before = sorted(workspace.app_dir.rglob("*"))
    venv = workspace.install(BuildSettings(extras=("colour",)))
    assert sorted(workspace.app_dir.rglob("*")) == before
    assert distributions(venv.python) == distributions(workspace.pip("-e", ".[colour]"))


def test_a_script_gets_what_pip_installs_for_it(workspace: Workspace) -> None:
    workspace.copy("script_pep723")
    ours = distributions(workspace.install().python)
    assert ours == distributions(workspace.pip("--requirements-from-script", "greet.py"))


def test_a_scripts_own_settings_of_uv_and_its_lock_count(workspace: Workspace) -> None:
    workspace.write(
        run__py='# /// script\n# requires-python = ">=3.10"\n# dependencies = ["idna"]\n'
        '# [tool.uv]\n# exclude-newer = "2024-11-01T00:00:00Z"\n# ///\n'
    )
    workspace.uv("lock", "--script", "run.py")
    assert (workspace.app_dir / "run.py.lock").exists()
    assert names(distributions(workspace.install().python)) == ["idna==3.10"]


def test_a_member_of_a_workspace_is_installed_as_uv_does_it_and_works_from_a_moved_tree(
    workspace: Workspace,
) -> None:
    workspace.copy("uv_workspace")
    theirs = workspace.root / "theirs"
    member = workspace.app_dir / "packages" / "prices"
    settings = {"UV_PROJECT_ENVIRONMENT": str(theirs)}
    workspace.uv("sync", "-q", "--locked", "--package", "prices", cwd=member, **settings)
    wanted = names(distributions(theirs / "bin" / "python"))
    shutil.rmtree(theirs)
    cache, app_dir = workspace.root / "cache", {"SLUGKIT_APP_DIR": "packages/prices"}
    done = compile_app(workspace.app_dir, cache, **app_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-----> Installing the packages in uv.lock\n" in done.stdout
    moved = workspace.app_dir.rename(workspace.root / "moved")
    python = moved / ".heroku/venv/bin/python"
    assert "prices==0.1" in wanted
    assert "shop==1.0" not in wanted
    assert names(distributions(python)) == wanted
    argv = (python, "-B", "-c", "import prices; print(prices.__file__)")
    answer = subprocess.run(argv, cwd="/", env={}, capture_output=True, check=True, text=True)
    assert answer.stdout == f"{moved}/packages/prices/src/prices/__init__.py\n"


def test_a_source_that_cannot_be_built_says_why(workspace: Workspace) -> None:
    workspace.write(setup__py="raise SystemExit('no such header')\n")
    with pytest.raises(SourceBuildError) as raised:
        workspace.install()
    assert "no such header" in raised.value.text()


def test_editable_packages_work_from_a_tree_that_was_moved_and_is_only_read(
    workspace: Workspace,
) -> None:
    workspace.copy("uv_workspace")
    done = compile_app(workspace.app_dir, workspace.root / "cache")
    assert done.returncode == 0, done.stdout + done.stderr
    moved = workspace.root / "elsewhere" / "app"
    moved.parent.mkdir()
    workspace.app_dir.rename(moved)
    subprocess.run(("chmod", "-R", "a-w", str(moved)), check=True)
    before = sorted(str(path) for path in moved.rglob("*"))
    script = "import shop, prices; print(shop.offer('Ann'), prices.__file__)"
    argv = (moved / ".heroku/venv/bin/python", "-B", "-c", script)
    answer = subprocess.run(argv, cwd="/", env={}, capture_output=True, check=True, text=True)
    where = moved / "packages/prices/src/prices/__init__.py"
    assert answer.stdout == f"Hello Ann: 3.20 {where}\n"
    assert sorted(str(path) for path in moved.rglob("*")) == before
    subprocess.run(("chmod", "-R", "u+w", str(moved)), check=True)


EXTENSION = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_x", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__x(void) { return PyModule_Create(&module); }
"""


def test_a_module_compiled_into_the_source_is_kept_for_builds_that_compile_nothing(
    workspace: Workspace,
) -> None:
    workspace.write(
        setup__py="from setuptools import Extension, setup\n"
        "setup(name='x', py_modules=[], ext_modules=[Extension('_x', ['x.c'])])\n",
        x__c=EXTENSION,
    )
    venv = workspace.install()
    compiled = next(workspace.app_dir.glob("_x.*.so"))
    content = compiled.read_bytes()
    compiled.unlink()
    restore_built_in_place(venv.root.parent, workspace.app_dir)
    assert compiled.read_bytes() == content
    names_left = sorted(path.name for path in workspace.app_dir.iterdir())
    assert names_left == [compiled.name, "setup.py", "x.c"]


class _Guarded(http.server.BaseHTTPRequestHandler):
    """An index that has nothing and notes who asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers.get('Authorization')}")
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Silence: what it would print is no part of the test."""


def test_a_projects_own_index_gets_the_credentials_of_its_config_vars(
    workspace: Workspace,
) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Guarded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/simple"
    workspace.write(
        pyproject__toml='[project]\nname = "app"\nversion = "1"\ndependencies = ["private-thing"]\n'
        f'[[tool.uv.index]]\nname = "corp"\nurl = "{url}"\nexplicit = true\n'
        '[tool.uv.sources]\nprivate-thing = { index = "corp" }\n'
    )
    with pytest.raises(SlugkitError) as raised:
        workspace.install(UV_INDEX_CORP_USERNAME="me", UV_INDEX_CORP_PASSWORD="hunter22")
    server.shutdown()
    server.server_close()
    assert raised.value.id == "install::no-matching-distribution"
    assert "hunter22" not in raised.value.text()
    basic = base64.b64encode(b"me:hunter22").decode()
    assert _Guarded.asked == [f"/simple/private-thing/ Basic {basic}"]
