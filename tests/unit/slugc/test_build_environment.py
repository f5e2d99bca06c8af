"""Which of the caller's variables reach a buildpack, and what of this host it may read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from slugc import build_environment as environment


def built(caller: dict[str, str], commit: str | None = None) -> dict[str, str]:
    return environment.build_environment(
        caller, home="/app", path="/bin", stack="debian-12", commit=commit, pyenv=None
    )


def test_nothing_of_the_caller_gets_through_by_accident() -> None:
    caller = {
        "HOME": "/nonexistent",
        "PATH": "/evil",
        "LD_PRELOAD": "x.so",
        "PYTHONPATH": "/x",
        "AWS_SECRET_ACCESS_KEY": "s",
        "GIT_DIR": "/x",
        "UV_CACHE_DIR": "/x",
        "PIP_TARGET": "/x",
        "SLUGKIT_HOME": "/x",
        "STACK": "heroku-24",
    }

    assert built(caller) == {
        "PATH": "/bin",
        "HOME": "/app",
        "LANG": "C.UTF-8",
        "STACK": "debian-12",
        "TMPDIR": "/tmp",
        "REQUEST_ID": "build-local",
    }


@pytest.mark.parametrize(
    "name",
    [
        "https_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "UV_INDEX_PRIVATE_PASSWORD",
        "UV_PYTHON_INSTALL_MIRROR",
        "SLUGKIT_PYTHON_PROVIDER",
        "SOURCE_DATE_EPOCH",
    ],
)
def test_where_to_fetch_from_and_whom_to_trust_gets_through(name: str) -> None:
    assert built({name: "value"})[name] == "value"


def test_the_commit_is_told() -> None:
    assert built({}, "abc")["SOURCE_VERSION"] == "abc"
    assert "SOURCE_VERSION" not in built({})


def test_the_request_is_the_same_for_the_same_source() -> None:
    assert built({}, "0123456789abcdef")["REQUEST_ID"] == "build-0123456789ab"
    assert built({})["REQUEST_ID"] == "build-local"


def test_pyenv_is_found_by_its_variable_or_in_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / ".pyenv" / "versions").mkdir(parents=True)
    versions = tmp_path / ".pyenv" / "versions"

    assert environment.pyenv_versions({"HOME": str(tmp_path)}) == versions
    assert environment.pyenv_versions({"PYENV_ROOT": str(tmp_path / ".pyenv")}) == versions
    assert environment.pyenv_versions({"HOME": "relative"}) is None
    assert environment.pyenv_versions({}) is None


def test_pyenv_is_told_where_the_phase_can_see_it() -> None:
    told = environment.build_environment(
        {}, home="/app", path="/bin", stack="s", commit=None, pyenv=Path("/opt/pyenv/versions")
    )

    assert told["PYENV_ROOT"] == "/opt/pyenv"


def test_paths_that_passed_variables_name_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "own_interpreter", lambda: None)
    for name in ("wheels", "mirror dir", "other"):
        (tmp_path / name).mkdir()
    caller = {
        "PIP_FIND_LINKS": f"{tmp_path}/wheels https://host/wheels {tmp_path}/missing",
        "UV_PYTHON_INSTALL_MIRROR": f"file://{tmp_path}/mirror%20dir",
        "UNRELATED": f"{tmp_path}/other",
        "SSL_CERT_DIR": "/etc/ssl/certs",
    }

    assert environment.exposed_paths(caller) == (tmp_path / "wheels", tmp_path / "mirror dir")


def test_our_own_python_is_shown_where_the_systems_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python3.9").touch()
    (tmp_path / "python3").symlink_to("python3.9")
    monkeypatch.setattr(environment, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")

    assert environment.own_interpreter() == Path("/opt/python")
    assert environment.build_path() == f"/opt/python/bin:{tmp_path}"


@pytest.mark.parametrize("name", ["python3.11", "python3.14"])
def test_the_systems_python_is_enough_from_311_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).touch()
    (tmp_path / "python3").symlink_to(name)
    monkeypatch.setattr(environment, "SYSTEM_PATH", str(tmp_path))

    assert environment.own_interpreter() is None
    assert environment.build_path() == str(tmp_path)


def test_tools_that_were_installed_with_us_are_named_and_shown(open_dir: Path) -> None:
    scripts = open_dir / "bin"
    scripts.mkdir()
    assert environment.own_tools(prefix=str(open_dir)) == {}
    for name in ("uv", "patchelf", "other"):
        (scripts / name).touch(mode=0o755)

    told = environment.own_tools(prefix=str(open_dir))

    assert told == {"SLUGKIT_TOOLS": f"{scripts}/uv {scripts}/patchelf"}
    assert {scripts / "uv", scripts / "patchelf"} <= set(environment.exposed_paths(told))


@pytest.mark.parametrize("prefix", ["/tmp/venv", "/app/.venv", "/srv/a b"])
def test_tools_that_a_build_could_not_see_are_not_named(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: True)
    assert environment.own_tools(prefix=prefix) == {}
