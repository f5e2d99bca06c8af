"""What a person is told when the Docker Engine does not answer, or refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.engines.docker.daemon import DockerCallError, connect, unavailable
from runner.errors import EngineUnavailableError


def test_nobody_at_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    with pytest.raises(EngineUnavailableError) as caught:
        connect({"DOCKER_HOST": f"unix://{path}"})
    assert caught.value.problems == (f"no engine answers at unix://{path}",)


def test_a_user_who_may_not_use_it_is_told_how_to() -> None:
    error = unavailable("[Errno 13] Permission denied", "unix:///var/run/docker.sock")
    assert error.exit_code == ExitCode.UNAVAILABLE
    assert error.text() == (
        "The docker engine cannot run here\n\n"
        "- this user may not use the engine at unix:///var/run/docker.sock\n\n"
        "Let this user use it:    usermod -aG docker $USER   (then log in again)\n"
        "Or name another engine:  DOCKER_HOST=tcp://HOST:2376"
    )


def test_an_unknown_reason_is_passed_on() -> None:
    error = unavailable("client version 1.12 is too old", "tcp://far:2376")
    assert error.problems == ("the engine at tcp://far:2376: client version 1.12 is too old",)


def test_a_refused_call_names_the_call_and_the_reason() -> None:
    error = DockerCallError("make a network", "all predefined address pools are in use", status=500)
    assert error.text() == (
        "The Docker Engine did not make a network\n\n"
        "all predefined address pools are in use\n\n"
        "See the engine's own log: journalctl -u docker"
    )
