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


def test_a_way_out_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ("sh", "-c", "echo cannot pivot_root >&2; exit 1")
    monkeypatch.setattr("buildpack.support.user_network.slirp_argv", lambda *_: refused)
    found = network_finding(os.environ)
    assert (found.verdict, found.is_engine) == ("fail", True)
    assert found.found == "cannot be made. slirp4netns: cannot pivot_root"
    assert list(sockets_root(os.environ).glob("doctor-*")) == []
