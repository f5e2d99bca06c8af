"""pip_tools: what decides a lock, and the one command that makes it, as data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers import pip_tools
from buildpack.installers.base import Dependencies, Install
from buildpack.installers.diagnosis.pip_tools_errors import (
    PipCompileError,
    PipToolsSettingsError,
    PipToolsUnavailableError,
)
from buildpack.installers.given import NOTHING_GIVEN
from buildpack.installers.pip_compile import (
    LOCKED_TOOL,
    compile_command,
    pip_env,
    portable,
    read_compile_settings,
    tool_version,
)
from buildpack.runtime.install import Runtime
from buildpack.settings import BuildSettings
from buildpack.tools import ToolBox
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion

VERSION = PythonVersion(major=3, minor=13, patch=0)


def place(root: Path, **env: str) -> Install:
    return Install(
        uv=Path("/t/uv"),
        venv=Venv(root=Path("/c/v/venv"), version=VERSION),
        app_dir=root,
        scratch_dir=Path("/s"),
        cache_dir=Path("/c"),
        env=env,
        runtime=Runtime(home=Path("/c/r"), version=VERSION, provider="uv", build_id="b", reason=""),
        tools=ToolBox(directory=Path("/t"), env=env),
    )


def read(root: Path, *, is_test: bool = False, env: dict[str, str] | None = None) -> Dependencies:
    return pip_tools.read(App(root=root), BuildSettings(is_test=is_test), env or {})


def test_the_inputs_are_every_file_and_the_settings(tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("-r base.in\nflask\n")
    (tmp_path / "base.in").write_text("rich\n")
    (tmp_path / "limits.txt").write_text("rich<15\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.pip-tools]\nconstraint = ["limits.txt"]\nquiet = true\n'
    )
    found = read(tmp_path)
    assert dict(found.inputs) == {
        "requirements.in": b"-r base.in\nflask\n",
        "base.in": b"rich\n",
        "limits.txt": b"rich<15\n",
        "[tool.pip-tools]": b'[tool.pip-tools]\n"constraint" = ["limits.txt"]\n',
    }
    assert found.source == "requirements.in"


def test_another_change_of_pyproject_leaves_the_lock_alone(tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("flask\n")
    before = read(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert read(tmp_path).inputs == before.inputs


def test_requirements_of_the_tests_come_along_when_tests_are_built_for(tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("flask\n")
    (tmp_path / "requirements-test.in").write_text("pytest\n")
    assert "requirements-test.in" in read(tmp_path, is_test=True).inputs
    assert "requirements-test.in" not in read(tmp_path).inputs


@pytest.mark.parametrize(
    "change",
    [
        {"app": "flask>3\n"},
        {"env": "https://other.example/simple"},
        {"series": "3.12"},
        {"settings": "[tool.pip-tools]\nstrip-extras = true\n"},
    ],
    ids=str,
)
def test_every_input_names_another_lock(change: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("flask\n")
    one = pip_tools.lock_key(read(tmp_path), place(tmp_path))
    assert one == pip_tools.lock_key(read(tmp_path), place(tmp_path))
    (tmp_path / "requirements.in").write_text(change.get("app", "flask\n"))
    (tmp_path / "pyproject.toml").write_text(change.get("settings", ""))
    env = {"PIP_INDEX_URL": change["env"]} if "env" in change else {}
    other = place(tmp_path, **env)
    if "series" in change:
        version = PythonVersion(major=3, minor=12, patch=0)
        other = replace(other, runtime=replace(other.runtime, version=version))
    assert pip_tools.lock_key(read(tmp_path), other) != one


def test_a_new_patch_of_python_keeps_the_lock(tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("flask\n")
    one = place(tmp_path)
    version = PythonVersion(major=3, minor=13, patch=9)
    other = replace(one, runtime=replace(one.runtime, version=version, build_id="c"))
    found = read(tmp_path)
    assert pip_tools.lock_key(found, one) == pip_tools.lock_key(found, other)


def test_pip_compile_makes_hashes_and_names_no_host(tmp_path: Path) -> None:
    venv = Venv(root=Path("/c/pip-tools/k/venv"), version=VERSION)
    command = compile_command(
        place(tmp_path), venv, ("requirements.in",), ("--no-index",), NOTHING_GIVEN
    )
    assert command.argv[:4] == ("/c/pip-tools/k/venv/bin/python", "-m", "piptools", "compile")
    assert {"--generate-hashes", "--no-emit-index-url", "--no-header"} <= set(command.argv)
    assert command.argv[-2:] == ("--no-index", "requirements.in")
    assert command.shown == "pip-compile --generate-hashes requirements.in"


def test_pip_asks_the_same_index_as_uv_and_no_configuration_of_the_machine() -> None:
    env = pip_env(
        place(
            Path("/a"),
            UV_DEFAULT_INDEX="https://i.example/simple",
            UV_INDEX="own=https://o.example/simple",
            PIP_EXTRA_INDEX_URL="https://e.example/simple",
            UV_FIND_LINKS="/one,/two",
        )
    )
    assert env["PIP_INDEX_URL"] == "https://i.example/simple"
    assert env["PIP_EXTRA_INDEX_URL"] == "https://o.example/simple https://e.example/simple"
    assert env["PIP_FIND_LINKS"] == "/one /two"
    assert env["PIP_CONFIG_FILE"] == "/dev/null"
    assert not [name for name in env if name.startswith("UV_")]


def test_a_lock_names_no_directory_and_no_value_of_a_variable() -> None:
    text = (
        "-e file:///build/app/lib\nx @ https://me:tok-en@e.example/x.whl  # via -r /build/app/a\n"
    )
    assert portable(text, Path("/build/app"), {"TOKEN": "tok-en", "URL": "https://me:tok-en@"}) == (
        "-e ./lib\nx @ ${URL}e.example/x.whl  # via -r a\n"
    )


def test_a_lock_names_what_lies_beside_the_app_from_there() -> None:
    text = (
        "-e file:///build/libs/shared\nx @ file:///build/services/api/x.whl\n"
        "    # via -r /build/base.in, /build/services/api/a.in\n"
    )
    assert portable(text, Path("/build/services/api"), {}, Path("/build")) == (
        "-e ../../libs/shared\nx @ ./x.whl\n    # via -r ../../base.in, a.in\n"
    )


def test_settings_of_compile_win_and_those_of_printing_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".pip-tools.toml").write_text(
        "[tool.pip-tools]\npre = false\nheader = false\nno-header = true\n"
        '[tool.pip-tools.compile]\npre = true\nindex-url = "https://i.example"\n'
    )
    (tmp_path / "pyproject.toml").write_text("[tool.pip-tools]\nextra = ['never']\n")
    found = read_compile_settings(App(root=tmp_path))
    assert dict(found.table) == {"pre": True, "index-url": "https://i.example"}
    assert found.option_lines() == ("--index-url https://i.example", "--pre")


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pip-tools\n")
    with pytest.raises(PipToolsSettingsError) as caught:
        read_compile_settings(App(root=tmp_path))
    assert caught.value.text() == (
        "The settings of pip-tools in pyproject.toml cannot be read\n\n"
        "pyproject.toml: Expected ']' at the end of a table declaration (at line 1, column 16)\n\n"
        "Correct the file. Settings are those of pip-compile, such as:\n\n"
        "    [tool.pip-tools]\n    strip-extras = true"
    )


def test_what_pip_compile_said_is_kept_without_its_traceback() -> None:
    lines = ["ERROR: No luck", "Traceback (most recent call last):", '  File "x"', "E: why", ""]
    assert pip_tools.without_traceback(lines) == ("ERROR: No luck", "E: why")


def test_the_pinned_tool_has_hashes_only_and_names_no_host() -> None:
    text = LOCKED_TOOL.read_text()
    pins = [line for line in text.splitlines() if line and line[0] not in "# "]
    assert all("==" in line and line.endswith("\\") for line in pins)
    assert {"pip", "pip-tools", "setuptools", "wheel"} <= {line.split("==")[0] for line in pins}
    assert "://" not in text
    assert tool_version()


def test_a_tool_that_cannot_be_had_says_how_to_do_without() -> None:
    error = PipToolsUnavailableError("7.6.2", "https://me:pw@i.example/simple", "It is down.")
    assert error.text() == (
        "Could not install pip-tools 7.6.2, which resolves your requirements.in\n\n"
        "Package index: https://***@i.example/simple\n\nIt is down.\n\n"
        "Check that the index can be reached and has pip-tools. Or do without:\n"
        "run this on your machine, and commit requirements.txt:\n\n"
        "    pip-compile --generate-hashes --allow-unsafe requirements.in"
    )


def test_a_failure_nobody_can_explain_shows_the_last_lines() -> None:
    assert PipCompileError(("ERROR: No luck",), 2).text() == (
        "pip-tools could not resolve your requirements.in\n\nERROR: No luck\n\n"
        "pip-compile ended with exit code 2; its last lines are above.\n"
        "Try the same on your machine:\n\n    pip-compile --generate-hashes requirements.in"
    )
