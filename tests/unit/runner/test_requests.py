"""What options come to: sizes, terminals, files among the config vars."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.amounts import SizeError
from runner.config_vars import ConfigVarError
from runner.engines.base import Limits
from runner.one_off import NoTerminalError, own_streams
from runner.requests import DEFAULTS, DiskEngineError, StartRequest, start_request
from runner.session import _given_config_vars
from runner.sizes import UnknownSizeError

GIB = 1 << 30


def request(cwd: Path = Path("/"), **given: object) -> StartRequest:
    return start_request({**DEFAULTS, **given}, {}, cwd)


def test_without_a_size_limits_are_as_they_are_given() -> None:
    assert request().limits == Limits(memory=GIB // 2, pids=256)
    assert request(memory="none", pids=40).limits == Limits(memory=None, pids=40)


def test_a_size_is_what_it_is_in_a_formation_and_options_beat_it() -> None:
    assert request(size="Standard-2X").limits == Limits(memory=2 * GIB, quota=GIB, pids=512)
    assert request(size="standard-2x", cpus=0.5).limits.cpus == 0.5
    assert request(size="standard-2x", memory="3G").limits == Limits(memory=3 * GIB, pids=512)
    assert request(size="standard-2x", pids=9).limits == Limits(memory=2 * GIB, quota=GIB, pids=9)


def test_what_may_be_written_is_limited_where_an_engine_can() -> None:
    assert request(disk="64M").limits.disk == 64 << 20
    assert request(disk="64M", size="eco").limits.disk == 64 << 20
    assert request(disk="none").limits.disk is None
    with pytest.raises(SizeError) as size:
        request(disk="lots")
    assert size.value.text() == (
        "'lots' is not a disk size\n\n"
        "Give a number with a unit, 4M at least, or the word none for no limit:\n\n"
        "    --disk 512M"
    )
    with pytest.raises(DiskEngineError) as engine:
        request(disk="64M", engine="host")
    assert engine.value.text() == (
        "--disk cannot be used with the host engine\n\n"
        "It has no way to limit what a container writes.\n\n"
        "Leave it out, or use --engine embedded."
    )


def test_an_unknown_size_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownSizeError) as caught:
        request(size="standard-3x")
    assert "Did you mean standard-2x? " in caught.value.text()


def test_a_file_among_the_assignments_is_read_as_env_file(tmp_path: Path) -> None:
    (tmp_path / "local.env").write_text("A=1\nB=2\n")
    asked = request(tmp_path, assignments=("B=3", "local.env"))
    assert dict(_given_config_vars(asked, print)) == {"A": "1", "B": "3"}
    with pytest.raises(ConfigVarError):
        _given_config_vars(request(tmp_path, assignments=("missing.env",)), print)


def test_a_terminal_can_be_refused_and_not_be_had_from_pipes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_terminal(*_: int) -> bool:
        return True

    monkeypatch.setattr("runner.one_off.is_terminal", is_terminal)
    os.fstat(0)
    assert own_streams().terminal
    assert own_streams(tty=True).terminal
    assert not own_streams(tty=False).terminal
    monkeypatch.setattr("runner.one_off.is_terminal", lambda *_: False)
    assert not own_streams().terminal
    with pytest.raises(NoTerminalError) as caught:
        own_streams(tty=True)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.text() == (
        "--tty needs a terminal at standard input and output\n\n"
        "One of them is a file or a pipe, so the command gets pipes.\n\n"
        "Leave --tty out, or run it from a terminal."
    )
