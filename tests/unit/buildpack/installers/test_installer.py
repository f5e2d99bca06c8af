"""requirements: the one command that installs, as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.installers.base import Dependencies, Install
from buildpack.installers.diagnosis.source_builds import VERSION_OF_GIT
from buildpack.installers.requirements import install_command
from buildpack.installers.uv_environment import installer_env
from buildpack.package_manager import PackageManager
from buildpack.runtime.install import Runtime
from buildpack.support.command import Command
from buildpack.tools import ToolBox
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion

VERSION = PythonVersion(major=3, minor=13, patch=0)
RUNTIME = Runtime(home=Path("/c/r"), version=VERSION, provider="uv", build_id="b", reason="")


def install(**env: str) -> Install:
    return Install(
        uv=Path("/t/uv"),
        venv=Venv(root=Path("/c/v/venv"), version=VERSION),
        app_dir=Path("/build"),
        scratch_dir=Path("/s"),
        cache_dir=Path("/c"),
        env=env,
        runtime=RUNTIME,
        tools=ToolBox(directory=Path("/t"), env=env),
    )


def command(**env: str) -> Command:
    title = "uv pip install -r requirements.txt"
    return install_command(install(**env), ("-r", "requirements.txt"), title=title)


def test_pips_settings_reach_uv_under_its_names() -> None:
    env = installer_env(
        {
            "PIP_INDEX_URL": "https://i.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://a.example https://b.example",
            "PIP_FIND_LINKS": "/wheels /more",
            "PIP_CERT": "/etc/ca.pem",
            "PIP_DEFAULT_TIMEOUT": "60",
            "PIP_RETRIES": "5",
            "UV_INDEX_PRIVATE_PASSWORD": "x",
            "AWS_SECRET": "never",
            "PYTHONPATH": "never",
            "UV_CACHE_DIR": "never",
        }
    )
    assert env == {
        "UV_DEFAULT_INDEX": "https://i.example/simple",
        "UV_EXTRA_INDEX_URL": "https://a.example https://b.example",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_HTTP_TIMEOUT": "60",
        "UV_HTTP_RETRIES": "5",
        "UV_INDEX_PRIVATE_PASSWORD": "x",
    }


def test_uvs_own_settings_win_over_pips() -> None:
    both = {"PIP_INDEX_URL": "https://pip.example", "UV_DEFAULT_INDEX": "https://uv.example"}
    assert installer_env(both) == {"UV_DEFAULT_INDEX": "https://uv.example"}


def test_the_command_installs_into_the_venv_from_the_app_directory() -> None:
    made = command(PATH="/usr/bin")
    assert made.argv == (
        "/t/uv", "pip", "install", "--python", "/c/v/venv/bin/python", "--color", "never",
        "--no-compile-bytecode", "-r", "requirements.txt",
    )  # fmt: skip
    assert made.cwd == Path("/build")
    assert made.shown == "uv pip install -r requirements.txt"
    assert made.env["UV_CACHE_DIR"] == "/c/uv"
    assert made.env["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_what_is_compiled_from_source_names_no_directory_of_the_build() -> None:
    assert command(CFLAGS="-O1").env["CFLAGS"] == (
        "-O1 -g0 -ffile-prefix-map=/c/v=. -ffile-prefix-map=/c/uv=."
    )


def test_what_decides_determinism_cannot_be_overridden() -> None:
    env = command(PYTHONHASHSEED="5", UV_LINK_MODE="copy").env
    assert (env["PYTHONHASHSEED"], env["UV_LINK_MODE"]) == ("0", "hardlink")


def test_build_scripts_see_where_libraries_are_and_no_secret() -> None:
    given = {
        "MYSQLCLIENT_CFLAGS": "-I/opt",
        "GDAL_CONFIG": "/opt/gdal-config",
        "CMAKE_ARGS": "-D X=1",
        "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MINE": "1.2",
        "SECRET_KEY": "x",
        "API_TOKEN_CONFIG": "x",
        "DATABASE_URL": "postgres://u:p@db",
    }
    seen = {"MYSQLCLIENT_CFLAGS", "GDAL_CONFIG", "CMAKE_ARGS"}
    assert set(installer_env(given)) == {*seen, "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MINE"}


def test_build_scripts_see_every_variable_that_a_message_offers_for_a_version() -> None:
    for _, variable in VERSION_OF_GIT:
        assert installer_env({variable: "1.0"}) == {variable: "1.0"}


@pytest.mark.parametrize(
    ("manager", "text", "facts", "is_one_run"),
    [
        (PackageManager.PIP, "", {}, True),
        (PackageManager.UV, "", {}, False),
        (PackageManager.POETRY, "six==1.17.0\n-e ./lib\n", {"groups": "main"}, True),
        (PackageManager.POETRY, "six==1.17.0\n", {"root": "poetry-core"}, False),
        (PackageManager.PIPENV, "six==1\n--index-url https://x.example\na==1\n", {}, False),
        (PackageManager.PIPENV, "-e git+https://x.example/a@c0ffee#egg=a\n", {}, False),
    ],
)
def test_only_what_one_run_of_uv_installs_may_be_begun_early(
    manager: PackageManager, text: str, facts: dict[str, str], *, is_one_run: bool
) -> None:
    found = Dependencies(manager=manager, source="x", inputs={}, requirements=text, facts=facts)
    assert found.is_one_run is is_one_run
