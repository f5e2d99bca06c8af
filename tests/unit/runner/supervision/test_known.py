"""known: what a release says of its containers is said of its own alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runner.app_json.manifest import Manifest
from runner.health import Check
from runner.supervision.known import Known
from slugc.procfile import ProcessType

WEB, WORKER = ProcessType("web"), ProcessType("worker")


def test_only_containers_of_the_release_that_was_read_are_known_not_to_be_alive() -> None:
    supply: Any = None
    known = Known(Path(), 1, supply=supply, say=lambda _: None)
    assert known.liveness(WORKER, 2) is None
    wanted: Any = SimpleNamespace(release=SimpleNamespace(version=2))
    check = Check(command="bin/alive")
    known.wanted, known.manifest = wanted, Manifest(liveness={"worker": (check,)})
    assert known.liveness(WORKER, 2) == (check,)
    assert known.liveness(WEB, 2) == ()
    assert known.liveness(WORKER, 1) is None, "it may know nothing of bin/alive"
