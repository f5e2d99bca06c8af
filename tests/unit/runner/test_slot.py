"""A place in the formation holds what belongs to its container, and nothing after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.errors import SlugkitError
from runner.slot import Slot
from tests.unit.runner.fakes import Behaviour, FakeEngine
from tests.unit.runner.samples import a_spec

WEB = a_spec("web.1", command="gunicorn app:app", port=5000)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_start_that_fails_leaves_nothing_open() -> None:
    slot, before = Slot(WEB, due=0.0), open_files()
    engine = FakeEngine({"web.1": [Behaviour(fails=SlugkitError("The engine hiccuped"))]})
    with pytest.raises(SlugkitError, match="hiccuped"):
        slot.start(engine, now=0.0, publish=None)
    assert slot.container is None
    assert open_files() == before


def test_a_closed_place_has_given_its_container_back() -> None:
    slot, before, engine = Slot(WEB, due=0.0), open_files(), FakeEngine()
    container = slot.start(engine, now=0.0, publish=None)
    assert slot.container is container
    slot.close()
    assert engine.started[0].calls == ["remove"]
    assert open_files() == before
