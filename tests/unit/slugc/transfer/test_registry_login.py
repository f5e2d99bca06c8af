"""Logins are found where docker, podman and skopeo keep them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.command import Command, CommandFailedError
from slugc.transfer.registry_login import Login, LoginFileError, find_login

HOST = "registry.example.com"


def nobody(command: Command) -> str:
    raise AssertionError(f"{command.argv} was started")


def config(directory: Path, document: object) -> Mapping[str, str]:
    (directory / "config.json").write_text(json.dumps(document))
    return {"DOCKER_CONFIG": str(directory)}


def packed(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"http://{HOST}"])
def test_login_is_found_by_the_host(tmp_path: Path, key: str) -> None:
    env = config(tmp_path, {"auths": {"other.example.com": packed("x:y"), key: packed("me:a:b")}})
    assert find_login(HOST, env, nobody) == Login(name="me", password="a:b")


def test_docker_hub_has_a_key_of_its_own(tmp_path: Path) -> None:
    env = config(tmp_path, {"auths": {"https://index.docker.io/v1/": packed("me:pw")}})
    assert find_login("registry-1.docker.io", env, nobody) == Login(name="me", password="pw")
    assert find_login(HOST, env, nobody) is None


def test_an_identity_token_stands_for_both(tmp_path: Path) -> None:
    env = config(tmp_path, {"auths": {HOST: {"identitytoken": "t"}}})
    assert find_login(HOST, env, nobody) == Login(name="", password="", identity_token="t")


def test_podmans_file_is_asked_first(tmp_path: Path) -> None:
    env = dict(config(tmp_path, {"auths": {HOST: packed("docker:1")}}))
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {HOST: packed("podman:2")}}))
    env["REGISTRY_AUTH_FILE"] = str(auth)
    assert find_login(HOST, env, nobody) == Login(name="podman", password="2")


def test_a_helper_is_asked_on_its_standard_input(tmp_path: Path) -> None:
    asked: list[Command] = []

    def run(command: Command) -> str:
        asked.append(command)
        return json.dumps({"Username": "me", "Secret": "pw"})

    env = config(tmp_path, {"credHelpers": {HOST: "gcloud"}, "credsStore": "desktop"})
    assert find_login(HOST, env, run) == Login(name="me", password="pw")
    assert [(each.argv, each.stdin) for each in asked] == [
        (("docker-credential-gcloud", "get"), HOST.encode())
    ]


def test_a_store_that_has_none_is_no_error(tmp_path: Path) -> None:
    def run(command: Command) -> str:
        raise CommandFailedError(command, 1, ["credentials not found"])

    assert find_login(HOST, config(tmp_path, {"credsStore": "desktop"}), run) is None
    hostile = config(tmp_path, {"credsStore": "../../bin/sh"})
    assert find_login(HOST, hostile, nobody) is None


def test_no_file_is_no_login(tmp_path: Path) -> None:
    assert find_login(HOST, {"HOME": str(tmp_path)}, nobody) is None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "It is not JSON."),
        ("[]", "It is not an object."),
        (json.dumps({"auths": {HOST: {"auth": "!!!"}}}), "An entry's 'auth' is not base64."),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(LoginFileError) as caught:
        find_login(HOST, {"DOCKER_CONFIG": str(tmp_path)}, nobody)
    assert caught.value.text() == (
        f"The logins in {tmp_path}/config.json cannot be read\n\n{found}\n\n"
        "Log in again: docker login HOST"
    )
