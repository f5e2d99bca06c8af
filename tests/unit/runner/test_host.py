"""The host engine isolates nothing, but root's rights are not the app's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from buildpack.support.command import CommandNotFoundError
from runner.engines import host
from runner.engines.base import Streams
from runner.formation import ContainerSpec
from slugc.procfile import ProcessType

PIPES = Streams(stdin=None, stdout=1, stderr=2)
SPEC = ContainerSpec(
    process_type=ProcessType("web"),
    ordinal=1,
    command="x",
    argv=("bash", "-c", "x"),
    env={"PATH": "/app/evil"},
    port=None,
)


@pytest.mark.parametrize("terminal", [False, True])
def test_our_programs_are_the_systems_whatever_path_the_app_has(terminal: bool) -> None:
    argv = host._argv(SPEC, replace(PIPES, terminal=terminal))
    ours = argv[: argv.index("bash")]
    programs = [word for word in ours if "setsid" in word or "setpriv" in word]
    assert len(programs) == (2 if terminal else 1)
    assert all(Path(program).is_absolute() for program in programs)
    assert argv[-3:] == SPEC.argv


def test_root_is_dropped_before_any_program_with_the_apps_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert host._uid() == 1879050000
    assert "--reuid" not in host._argv(SPEC, PIPES)  # that would be too late
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert host._uid() is None


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "TOOL_PATH", "/nonexistent")
    with pytest.raises(CommandNotFoundError, match="'setpriv' was not found"):
        host._argv(SPEC, PIPES)
