"""The words of errors that are hard to provoke: what was found, and what to do."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildpack.app import UnreadableFileError
from buildpack.app_digest import path_digest
from buildpack.environment import ConfigVarsError
from buildpack.installers.diagnosis.errors import IndexAccessError, VersionConflictError
from buildpack.runtime.errors import UnknownProviderError
from buildpack.runtime.install import RuntimeRequest
from buildpack.support.urls import ChecksumError, DownloadError
from buildpack.tools import NoToolForPlatformError, read_tool
from buildpack.versions.python_version import read_known_versions


def test_config_vars_that_cannot_be_read() -> None:
    assert ConfigVarsError(Path("/env/A\n"), "Permission denied").text() == (
        "The app's config vars cannot be read\n\n"
        "/env/A\\n: Permission denied\n\n"
        "ENV_DIR is a directory with one readable file for each config var."
    )


def test_a_processor_without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="riscv64"))
    assert read_tool("packaging").version
    with pytest.raises(NoToolForPlatformError) as caught:
        read_tool("uv")
    assert caught.value.text() == (
        "The build tool uv is not available for this machine\n\n"
        "Its processor is 'riscv64'; we have builds for x86_64 and aarch64.\n\n"
        "Build on one of those."
    )


def test_a_refused_index_names_no_password() -> None:
    assert IndexAccessError("https://me:pw@i.example/simple", "401").text() == (
        "The package index refused access\n\n"
        "https://***@i.example/simple answered with HTTP status 401.\n\n"
        "Give a user name and a password as config vars. For requirements.txt, in\n"
        "the index's URL:\n\n"
        "    PIP_EXTRA_INDEX_URL=https://USER:PASSWORD@index.example.com/simple\n\n"
        "For an index that has a name in uv's or Poetry's settings, by its name:\n\n"
        "    UV_INDEX_NAME_USERNAME, UV_INDEX_NAME_PASSWORD\n"
        "    POETRY_HTTP_BASIC_NAME_USERNAME, POETRY_HTTP_BASIC_NAME_PASSWORD"
    )


def test_a_conflict_shows_the_reasoning() -> None:
    assert VersionConflictError("Because a needs b.").text() == (
        "Your requirements cannot be installed together\n\nBecause a needs b.\n\n"
        "Loosen or change one of the versions named above."
    )


def test_a_download_that_failed() -> None:
    assert DownloadError("https://a:b@e.example/x", "Connection refused", 3).text() == (
        "Could not download https://***@e.example/x\n\nConnection refused (3 attempts).\n\n"
        "Check the network connection and any proxy settings, then try again."
    )


def test_a_checksum_that_is_wrong() -> None:
    assert ChecksumError("https://e.example/x", "aa", "bb").text() == (
        "The checksum of https://e.example/x is wrong\n\n"
        "expected sha256 aa\nfound sha256    bb\n\n"
        "Somebody changed this file, or a proxy did. It was not used."
    )


def test_an_unknown_provider(tmp_path: Path) -> None:
    request = RuntimeRequest(
        requested=None,
        known=read_known_versions(),
        env={"SLUGKIT_PYTHON_PROVIDER": "conda"},
        cache_dir=tmp_path,
    )
    with pytest.raises(UnknownProviderError) as caught:
        _ = request.providers
    assert caught.value.text() == (
        "There is no Python provider 'conda'\n\n"
        "It comes from the environment variable SLUGKIT_PYTHON_PROVIDER.\n\n"
        "Set it to 'uv' (managed builds) or 'host' (a Python of the build\n"
        "machine), or unset it to ask both."
    )


def test_a_file_of_the_app_that_nobody_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.py").write_text("x")

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read every file, tests run as root too
    with pytest.raises(UnreadableFileError) as caught:
        path_digest(tmp_path, ".")
    assert caught.value.brief == "Cannot read 'secret.py' in your app"
    assert "the system says: permission denied" in caught.value.details
