"""The process that holds an app's network is begun early, and ends with who began it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner import holder
from runner.holder import Holder, NetworkError, begin_holder, bridge_commands, tool_env


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that do as if: the chain's last one says ready and reads its input to the end."""
    monkeypatch.setattr(holder, "SYSTEM_PATH", f"{tmp_path}:{os.defpath}")
    monkeypatch.setattr(holder, "drop_prefix", lambda: ())
    write(tmp_path / "unshare", "echo ready; exec cat >/dev/null")
    return tmp_path


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_holder_is_there_until_it_is_let_go_of(bin_dir: Path) -> None:
    begun = begin_holder(None, {})
    assert begun is not None
    begun.wait()
    assert is_alive(begun.pid)
    begun.close()
    assert not is_alive(begun.pid)
    begun.close()  # whoever took it has closed it before


def test_a_holder_that_ends_says_why(bin_dir: Path) -> None:
    write(bin_dir / "unshare", "echo no namespaces here >&2")
    begun = Holder(tool_env({}))
    with pytest.raises(NetworkError) as caught:
        begun.wait()
    begun.close()
    assert caught.value.said == "no namespaces here\n"


@pytest.mark.parametrize(
    ("engine", "env"),
    [
        ("docker", {}),
        ("no-such", {}),
        (None, {"SLUG_RUN_ENGINE": "host"}),
        ("host", {"SLUG_RUN_ENGINE": "embedded"}),
    ],
)
def test_none_is_begun_for_another_engine(
    bin_dir: Path, engine: str | None, env: Mapping[str, str]
) -> None:
    assert begin_holder(engine, env) is None


def test_what_is_missing_is_left_for_the_engine_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder, "SYSTEM_PATH", str(tmp_path))
    assert begin_holder("embedded", {}) is None


def test_the_bridge_has_the_largest_packets_everywhere() -> None:
    commands = bridge_commands()
    assert commands.count("mtu 65520") == 2
    assert commands.endswith("\n")
