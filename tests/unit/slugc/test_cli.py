"""Where every error of slugc ends: words, a code, and never a traceback that is not ours."""

from __future__ import annotations

import errno
import importlib.abc
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import UsageError
from slugc import build_command
from slugc.archive.limits import Limits
from slugc.build_request import BuildRequest
from slugc.command_line import TerminatedError, run
from slugc.main import main
from slugc.sandbox.base import NetworkPolicy, SandboxKind
from slugc.sandbox.limits import BuildLimits
from slugc.slug import SlugFormat


@pytest.fixture(autouse=True)
def restored_process() -> Iterator[None]:
    """What run() sets for the whole process."""
    umask = os.umask(0o022)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    os.umask(umask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def build_raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def fail(*_arguments: object, **_options: object) -> str:
        raise error

    monkeypatch.setattr(build_command, "build_from_options", fail)
    return run(("build", "."))


def test_a_bug_of_ours_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_raising(RuntimeError("oops"), monkeypatch) == 70

    said = capsys.readouterr().err
    assert said.startswith("Internal error\n\nTraceback ")
    assert said.endswith(
        "RuntimeError: oops\n\nThis is a bug in Slugkit. Please report it with the text above.\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "id_"),
    [
        (RuntimeError("oops"), 70, "internal-error"),
        (OSError(errno.ENOSPC, "No space left on device"), 73, "machine"),
        (UsageError("No"), 64, "usage"),
        (KeyboardInterrupt(), 130, "stopped"),
        (TerminatedError(signal.SIGTERM), 143, "stopped"),
    ],
)
def test_whatever_ends_a_build_is_its_last_event(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    id_: str,
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(build_command, "build_from_options", fail)

    assert run(("build", ".", "--json")) == code
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["event"], found["ok"]) == ("result", False)
    assert (found["error"]["code"], found["error"]["id"]) == (code, id_)
    assert said.err  # people are told too


def test_ctrl_c_and_signals_end_as_signals_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_raising(KeyboardInterrupt(), monkeypatch) == 130
    assert build_raising(TerminatedError(signal.SIGTERM), monkeypatch) == 143
    assert capsys.readouterr().err == "\nStopped. Nothing was written.\n" * 2


def test_sigterm_is_taken_like_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended_from_outside(*_arguments: object, **_options: object) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal did not come through")

    monkeypatch.setattr(build_command, "build_from_options", ended_from_outside)

    assert run(("build", ".")) == 143


def test_a_full_disk_is_the_machines_fault_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/var/lib/x\n")

    assert build_raising(full, monkeypatch) == 73
    assert capsys.readouterr().err == (
        "\n !     Error: The build could not go on: No space left on device (/var/lib/x\\n)\n"
        " !\n"
        " !     Nothing was written. Make room or lift the limit, then build again.\n\n"
    )


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, 74), (errno.EMFILE, 75)])
def test_other_refusals_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    assert build_raising(OSError(number, os.strerror(number)), monkeypatch) == code


def test_a_current_directory_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone() -> Path:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "cwd", gone)

    assert run(("build", ".")) == 64
    assert "Error: The current directory is gone\n" in capsys.readouterr().err


def request(tmp_path: Path, **given: object) -> BuildRequest:
    (tmp_path / "polls").mkdir(exist_ok=True)
    options: dict[str, object] = {
        "output": None,
        "buildpacks": (),
        "name": None,
        "slug_format": "slug",
        "cache_dir": None,
        "no_cache": False,
        "env": (),
        "env_file": (),
        "stack": None,
        "sandbox": None,
        "timeout": 1500.0,
        "detect_timeout": 60.0,
        "fetch_timeout": 90.0,
        "max_size": "500M",
        "warn_size": "300M",
        "strict_secrets": False,
        "trust": (),
        "network": "on",
        "memory": None,
        "cpus": None,
        "processes": None,
        "disk": None,
        "files": None,
        "allow_no_processes": False,
    }
    env = {"SLUGKIT_HOME": os.fspath(tmp_path / "data")}
    return build_command.make_request("polls", options | given, env=env, cwd=tmp_path)


def test_a_request_has_every_default_settled(tmp_path: Path) -> None:
    found = request(tmp_path)

    assert (found.app, found.name) == ("polls", "")
    assert found.output == tmp_path / "polls.slug"
    assert found.space_root.parent == tmp_path / "data" / "cache"
    assert found.space_root.name.startswith("polls-")
    assert found.buildpacks is None  # the source and what is installed decide
    assert found.detect_timeout == 60
    assert (found.limits, found.warn_size) == (Limits(), 300_000_000)
    assert found.fetch_timeout == 90
    assert (found.network, found.build_limits) == (NetworkPolicy.ON, BuildLimits())
    assert found.sandbox is None
    assert found.keep_cache


def test_a_request_takes_what_is_given(tmp_path: Path) -> None:
    found = request(
        tmp_path, slug_format="tgz", name="shop", cache_dir="kept", sandbox="none", no_cache=True
    )

    assert (found.app, found.name) == ("shop", "shop")
    assert found.output == tmp_path / "shop.tgz"
    assert found.space_root == tmp_path / "kept"
    assert (found.format, found.sandbox) == (SlugFormat.GZIP, SandboxKind.NONE)
    assert not found.keep_cache


def test_builds_in_a_container_have_a_cache_of_their_own(tmp_path: Path) -> None:
    here = request(tmp_path).space_root.name

    assert request(tmp_path, sandbox="docker").space_root.name == f"{here}-docker"
    assert request(tmp_path, sandbox="docker", stack="heroku-24").space_root.name == (
        f"{here}-docker-heroku-24"
    )


def test_the_largest_slug_is_given_in_units_or_refused(tmp_path: Path) -> None:
    found = request(tmp_path, max_size="1G", warn_size="1Gi", strict_secrets=True)
    assert (found.limits.packed, found.warn_size) == (10**9, 2**30)
    assert found.strict_secrets
    for nothing in ("0", "12", "many"):
        with pytest.raises(UsageError):
            request(tmp_path, max_size=nothing)


def test_ctrl_c_while_slugc_starts_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupts(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "slugc.command_line")
    monkeypatch.setattr(sys, "meta_path", [Interrupts()])
    assert main(["build"]) == 130
    assert capsys.readouterr().err == "\nStopped. Nothing was written.\n"
