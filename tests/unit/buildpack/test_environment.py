"""environment: config vars in, secrets out, and what a container starts with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildpack.environment import (
    app_env,
    export_script,
    install_settings,
    read_env_dir,
    visible_at_build,
    write_export,
    write_profile_d,
)
from buildpack.installers.uv_environment import installer_env


def test_config_vars_are_files_kept_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "GREETING").write_bytes("höllo\nworld\n".encode())
    (tmp_path / "not a name").write_text("x")
    (tmp_path / "A_DIRECTORY").mkdir()
    assert read_env_dir(tmp_path) == {"GREETING": "höllo\nworld\n"}


def test_no_env_dir_means_no_config_vars(tmp_path: Path) -> None:
    assert read_env_dir(None) == {}
    assert read_env_dir(tmp_path / "gone") == {}


def test_dangerous_names_never_reach_a_program_of_the_build() -> None:
    config_vars = {"PATH": "/evil", "LD_PRELOAD": "/evil.so", "HOME": "/x", "DEBUG": "1"}
    assert visible_at_build(config_vars) == {"DEBUG": "1"}
    env = app_env({"PATH": "/usr/bin"}, config_vars, Path("/build/.heroku"))
    assert env["PATH"] == "/build/.heroku/venv/bin:/build/.heroku/python/bin:/usr/bin"
    assert env["DEBUG"] == "1"
    assert not {"LD_PRELOAD", "HOME"} & env.keys()


def test_hooks_may_have_config_vars_called_like_arguments_of_the_api() -> None:
    assert visible_at_build({"CACHE_DIR": "/tmp/c"}) == {"CACHE_DIR": "/tmp/c"}


def test_installers_see_every_config_var_but_those_for_run_time() -> None:
    config_vars = {"PIP_EXTRA_INDEX_URL": "https://i.example", "TOKEN": "abc", "PATH": "/evil"}
    assert install_settings({"PATH": "/bin", "HOME": "/h"}, config_vars) == {
        "PATH": "/bin",
        "HOME": "/h",
        "PIP_EXTRA_INDEX_URL": "https://i.example",
        "TOKEN": "abc",
    }


def test_what_an_earlier_buildpack_exported_cannot_move_our_installer() -> None:
    kept = {"PATH": "/bin", "LD_LIBRARY_PATH": "/app/.apt/lib"}
    dropped = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "UV_PYTHON", "PIP_USER", "LD_PRELOAD")
    assert install_settings({**kept, **dict.fromkeys(dropped, "/x")}, {}) == kept


def test_programs_of_the_app_reach_the_network_as_the_machine_does() -> None:
    env = app_env(
        {"HTTPS_PROXY": "http://p", "SSL_CERT_FILE": "/c", "AWS_KEY": "no"}, {}, Path("/b")
    )
    assert (env["HTTPS_PROXY"], env["SSL_CERT_FILE"]) == ("http://p", "/c")
    assert "AWS_KEY" not in env


def test_hooks_and_collectstatic_start_with_what_heroku_sets_and_drops() -> None:
    inherited = {"PYTHONHOME": "/x", "PYTHONPATH": "/x", "LANG": "", "PATH": "/bin"}
    env = app_env(inherited, {"LANG": "de_DE.UTF-8"}, Path("/b"))
    assert (env["PYTHONUNBUFFERED"], env["LANG"]) == ("1", "de_DE.UTF-8")
    assert not {"PYTHONHOME", "PYTHONPATH"} & env.keys()
    assert app_env(inherited, {}, Path("/b"))["LANG"] == "C.UTF-8"


@pytest.mark.parametrize(
    "name", ["CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH"]
)
def test_compilers_and_the_app_find_what_an_earlier_buildpack_has_brought(name: str) -> None:
    env = {name: "/build/.apt/usr"}
    assert installer_env(install_settings(env, {})) == env
    assert app_env(env, {}, Path("/b"))[name] == "/build/.apt/usr"


def test_libraries_of_a_running_container_are_none_of_a_build() -> None:
    config_vars = {"LD_LIBRARY_PATH": "/app/lib"}
    assert installer_env(install_settings({}, config_vars)) == {}
    assert "LD_LIBRARY_PATH" not in app_env({}, config_vars, Path("/b"))


def test_profile_names_nothing_but_home(tmp_path: Path) -> None:
    write_profile_d(tmp_path)
    content = (tmp_path / ".profile.d" / "python.sh").read_text()
    assert str(tmp_path) not in content


def test_export_is_written_but_into_an_installed_slugc(tmp_path: Path) -> None:
    build_dir = Path("/build")
    assert write_export(tmp_path, build_dir)
    assert (tmp_path / "export").read_text() == export_script(build_dir)
    installed = tmp_path / "_buildpack"
    installed.mkdir()
    assert not write_export(installed, build_dir)
    assert not (installed / "export").exists()


def test_a_second_build_replaces_export_and_a_second_sourcing_changes_nothing(
    tmp_path: Path,
) -> None:
    build_dir = tmp_path / "it's a $build"
    for _ in range(2):
        write_export(tmp_path, build_dir)
    script = f"set -eu; . {tmp_path}/export; . {tmp_path}/export; env -0"
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": "/usr/bin:/bin", "LANG": "de_DE.UTF-8"},
        capture_output=True,
        check=True,
        timeout=10,
    )
    env = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if "=" in line)
    heroku = f"{build_dir}/.heroku"
    assert env["PATH"] == f"{heroku}/venv/bin:{heroku}/python/bin:/usr/bin:/bin"
    assert (env["PYTHONUNBUFFERED"], env["LANG"]) == ("true", "de_DE.UTF-8")
    assert "NLTK_DATA" not in env


def test_export_says_where_nltk_data_is(tmp_path: Path) -> None:
    (tmp_path / ".heroku" / "nltk_data").mkdir(parents=True)
    assert f"export NLTK_DATA={tmp_path}/.heroku/nltk_data\n" in export_script(tmp_path)
