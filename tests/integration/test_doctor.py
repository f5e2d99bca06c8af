"""`slug-run doctor` on this machine: what it tries, it tries for real and takes away again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runner.doctor.network_finding import network_finding
from runner.engines.rundir import sockets_root
from runner.main import main

pytestmark = [pytest.mark.integration, pytest.mark.embedded]


def test_it_makes_a_network_and_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "home"))
    main(["doctor", "--engine", "embedded", "--json"])
    findings = {each["name"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["app network"] == {
        "name": "app network",
        "verdict": "ok",
        "found": "can be made, and ports of this machine lead into it",
        "fix": None,
    }
    assert list(sockets_root(os.environ).glob("doctor-*")) == []
    assert not (tmp_path / "home").exists()


def test_a_way_out_that_does_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = tmp_path / "slirp4netns"
    refused.write_text("#!/bin/sh\necho 'cannot pivot_root' >&2\nexit 1\n")
    refused.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    tmp_path.chmod(0o755)
    monkeypatch.setattr("runner.doctor.network_finding.tool_env", lambda _: env)
    found = network_finding(os.environ)
    assert found.verdict == "fail"
    assert found.found.startswith("cannot be made. slirp4netns: ")
    assert "cannot pivot_root" in found.found
    assert list(sockets_root(os.environ).glob("doctor-*")) == []
