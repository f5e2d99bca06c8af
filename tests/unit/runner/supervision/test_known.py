"""known: what a release says of its containers is said of its own alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runner.app_json.manifest import Manifest
from runner.health import Check, UpChecks
from runner.supervision.known import Known
from slugc.procfile import ProcessType

WEB, WORKER = ProcessType("web"), ProcessType("worker")


def test_only_what_containers_of_the_release_that_was_read_are_asked_is_known() -> None:
    supply: Any = None
    known = Known(Path(), 1, supply=supply, say=lambda _: None)
    assert known.up_checks(WORKER, 2) is None
    wanted: Any = SimpleNamespace(release=SimpleNamespace(version=2))
    alive, ready = Check(command="bin/alive"), Check(path="/ready")
    known.wanted = wanted
    known.manifest = Manifest(liveness={"worker": (alive,)}, readiness={"web": (ready,)})
    assert known.up_checks(WORKER, 2) == UpChecks(liveness=(alive,))
    assert known.up_checks(WEB, 2) == UpChecks(readiness=(ready,))
    assert known.up_checks(WORKER, 1) is None, "it may know nothing of bin/alive"
