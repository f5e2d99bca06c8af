"""requirements: the one command that installs, as data."""

from __future__ import annotations

from pathlib import Path

from buildpack.installers.requirements import Install, install_command, installer_env
from buildpack.python_version import PythonVersion
from buildpack.venv import Venv

VENV = Venv(root=Path("/c/v/venv"), version=PythonVersion(major=3, minor=13, patch=0))


def install(*, require_hashes: bool = False, **env: str) -> Install:
    return Install(
        uv=Path("/t/uv"),
        venv=VENV,
        requirements_dir=Path("/build"),
        uv_cache_dir=Path("/c/uv"),
        env=env,
        require_hashes=require_hashes,
    )


def test_pips_settings_reach_uv_under_its_names() -> None:
    env = installer_env(
        {
            "PIP_INDEX_URL": "https://i.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://a.example https://b.example",
            "PIP_FIND_LINKS": "/wheels /more",
            "PIP_CERT": "/etc/ca.pem",
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
        "UV_INDEX_PRIVATE_PASSWORD": "x",
    }


def test_uvs_own_settings_win_over_pips() -> None:
    both = {"PIP_INDEX_URL": "https://pip.example", "UV_DEFAULT_INDEX": "https://uv.example"}
    assert installer_env(both) == {"UV_DEFAULT_INDEX": "https://uv.example"}


def test_the_command_installs_into_the_venv_from_the_app_directory() -> None:
    command = install_command(install(PATH="/usr/bin"))
    assert command.argv == (
        "/t/uv", "pip", "install", "--python", "/c/v/venv/bin/python", "--color", "never",
        "--no-compile-bytecode", "-r", "requirements.txt",
    )  # fmt: skip
    assert command.cwd == Path("/build")
    assert command.shown == "uv pip install -r requirements.txt"
    assert command.env["UV_CACHE_DIR"] == "/c/uv"
    assert command.env["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_hashes_are_required_when_the_app_has_any() -> None:
    assert "--require-hashes" in install_command(install(require_hashes=True)).argv


def test_what_is_compiled_from_source_names_no_directory_of_the_build() -> None:
    assert install_command(install(CFLAGS="-O1")).env["CFLAGS"] == (
        "-O1 -g0 -ffile-prefix-map=/c/v=. -ffile-prefix-map=/c/uv=."
    )


def test_what_decides_determinism_cannot_be_overridden() -> None:
    env = install_command(install(PYTHONHASHSEED="5", UV_LINK_MODE="copy")).env
    assert (env["PYTHONHASHSEED"], env["UV_LINK_MODE"]) == ("0", "hardlink")
