"""config_vars: which names a build refuses, all at once, and which it keeps for run time."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.config_vars import (
    REFUSED_NAMES,
    RUN_TIME_NAMES,
    ConfigVarsError,
    UnsafeConfigVarsError,
    check_config_vars,
    read_env_dir,
    visible_at_build,
)
from buildpack.support.errors import ExitCode

CNB_NAMES = (
    "PIP_CACHE_DIR", "PIP_PREFIX", "PIP_PYTHON", "PIP_ROOT", "PIP_TARGET", "PIP_USER",
    "POETRY_CACHE_DIR", "POETRY_DATA_DIR", "POETRY_HOME", "POETRY_VIRTUALENVS_CREATE",
    "POETRY_VIRTUALENVS_IN_PROJECT", "POETRY_VIRTUALENVS_USE_POETRY_PYTHON", "PYTHONHOME",
    "PYTHONINSPECT", "PYTHONPLATLIBDIR", "UV_CACHE_DIR", "UV_LINK_MODE", "UV_MANAGED_PYTHON",
    "UV_NO_CACHE", "UV_NO_MANAGED_PYTHON", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON",
    "UV_PYTHON_DOWNLOADS", "UV_PYTHON_PREFERENCE", "VIRTUAL_ENV",
)  # fmt: skip


def write(env_dir: Path, **config_vars: str) -> Path:
    env_dir.mkdir(exist_ok=True)
    for name, value in config_vars.items():
        (env_dir / name).write_text(value)
    return env_dir


def test_all_dangerous_names_are_refused_in_one_message_that_shows_no_value(tmp_path: Path) -> None:
    write(tmp_path, VIRTUAL_ENV="/s3cret", PIP_TARGET="/s3cret", DEBUG="1", PYTHONHOME="/s3cret")
    with pytest.raises(UnsafeConfigVarsError) as caught:
        read_env_dir(tmp_path)
    error = caught.value
    assert (error.id, error.exit_code) == ("checks::unsafe-env", ExitCode.DATA)
    assert error.names == ("PIP_TARGET", "PYTHONHOME", "VIRTUAL_ENV")
    assert error.text() == (
        "Your app sets 3 config vars that a build cannot use\n\n"
        "Found:\n\n"
        "  PIP_TARGET: it puts packages where your app would not find them\n"
        "  PYTHONHOME: Python would look for its own library in the wrong place\n"
        "  VIRTUAL_ENV: it makes uv work on another project, or in another environment\n\n"
        "Unset them, then build again. On Heroku, for example:\n\n"
        "    heroku config:unset PIP_TARGET PYTHONHOME VIRTUAL_ENV"
    )


@pytest.mark.parametrize("name", sorted(REFUSED_NAMES))
def test_each_refused_name_alone_is_enough(name: str) -> None:
    with pytest.raises(UnsafeConfigVarsError) as caught:
        check_config_vars({name: "1"})
    assert caught.value.brief == "Your app sets a config var that a build cannot use"


def test_a_value_that_no_environment_can_hold_is_refused_with_the_others() -> None:
    with pytest.raises(UnsafeConfigVarsError) as caught:
        check_config_vars({"A": "x\0y", "UV_PYTHON": "3.9"})
    assert caught.value.reasons["A"] == "its value has a NUL byte, which no environment can hold"
    assert caught.value.names == ("A", "UV_PYTHON")


@pytest.mark.parametrize("name", [*sorted(RUN_TIME_NAMES), "LD_PRELOAD", "LD_LIBRARY_PATH"])
def test_names_with_a_place_at_run_time_are_no_error_and_not_seen(name: str) -> None:
    check_config_vars({name: "/app/lib"})
    assert visible_at_build({name: "/app/lib", "DEBUG": "1"}) == {"DEBUG": "1"}


HEROKU_NAMES = (
    "PATH", "CPATH", "CPPATH", "LD_PRELOAD", "LIBRARY_PATH", "LD_LIBRARY_PATH", "PYTHONHOME",
)  # fmt: skip


@pytest.mark.parametrize("name", HEROKU_NAMES)
def test_no_name_that_heroku_keeps_from_a_build_reaches_it(name: str) -> None:
    assert visible_at_build({name: "x", "DEBUG": "1"}) == {"DEBUG": "1"}


@pytest.mark.parametrize("name", CNB_NAMES)
def test_no_name_that_other_buildpacks_refuse_reaches_the_build(name: str) -> None:
    assert visible_at_build({name: "x"}) == {}


def test_values_are_kept_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "LATIN").write_bytes(b"caf\xe9\n")
    assert read_env_dir(tmp_path)["LATIN"].encode("utf-8", "surrogateescape") == b"caf\xe9\n"


def test_an_env_dir_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    write(tmp_path, TOKEN="abc")
    monkeypatch.setattr(Path, "open", refuse)  # tests run as root, who reads everything
    with pytest.raises(ConfigVarsError) as caught:
        read_env_dir(tmp_path)
    assert caught.value.details == f"{tmp_path}/TOKEN: Permission denied"


def test_an_env_dir_that_is_a_file_is_not_taken_for_no_config_vars(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("TOKEN=abc")
    with pytest.raises(ConfigVarsError) as caught:
        read_env_dir(tmp_path / "env")
    assert caught.value.details == f"{tmp_path}/env: Not a directory"


def test_a_value_that_no_program_can_be_given_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "HUGE").open("wb") as file:
        file.truncate(10 * 2**30)
    (tmp_path / "FITS").write_bytes(b"x" * (128 * 1024 - 1 - len("FITS=")))
    with pytest.raises(UnsafeConfigVarsError) as caught:
        read_env_dir(tmp_path)
    reason = "its value has a NUL byte, which no environment can hold"
    assert caught.value.reasons == {"HUGE": reason}


def test_one_byte_more_than_the_kernel_takes_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "LONG").write_bytes(b"x" * (128 * 1024 - len("LONG=")))
    with pytest.raises(UnsafeConfigVarsError) as caught:
        read_env_dir(tmp_path)
    reason = "its value is longer than the 128 KiB a program can be given"
    assert caught.value.reasons == {"LONG": reason}
