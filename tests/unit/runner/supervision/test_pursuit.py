"""What is wanted is read when it may have changed, and what cannot be gone by is not forgotten."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.errors import PortInUseError
from runner.state.state import opened_state
from runner.supervision.known import Known
from runner.supervision.pursuit import Pursuit

TAKEN = PortInUseError(5000, holder=None)


class Made:
    """A pursuit of an app that is to be kept running; what it says, and what the others hear."""

    def __init__(self, tmp_path: Path) -> None:
        with opened_state(tmp_path) as state:
            self.app = state.create_app("polls")
            state.set_supervision(self.app, {})
        self.directory = tmp_path / "apps" / str(self.app.number)
        self.directory.mkdir(parents=True)
        self.said: list[str] = []
        self.wanted: list[object] = []
        self.is_taken = False
        nothing: Any = None
        self.known = Known(tmp_path, self.app.number, supply=nothing, say=self.said.append)
        upkeep: Any = SimpleNamespace(want=self.wanted.append, keep_as_it_is=None)
        front: Any = SimpleNamespace(listen=self._listen, router=None, look=lambda: None)
        rollout: Any = SimpleNamespace(follow=lambda _: None)
        duties: Any = SimpleNamespace(look=lambda: None)
        self.pursuit = Pursuit(
            self.known,
            self.directory,
            upkeep=upkeep,
            front=front,
            rollout=rollout,
            duties=duties,
            say=self.said.append,
        )

    def _listen(self, _: object) -> None:
        if self.is_taken:
            raise TAKEN


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_what_could_not_all_be_gone_by_is_read_again_though_nobody_changes_it(made: Made) -> None:
    made.is_taken = True
    made.pursuit.read_anew()
    assert made.said == [f"{TAKEN.brief}. Nothing was changed."]
    assert made.known.has_changed()
    made.is_taken = False
    made.pursuit.look()
    assert not made.known.has_changed()
    made.pursuit.look()
    assert made.wanted == [made.known.wanted] * 2


def test_of_an_app_that_was_destroyed_nothing_is_wanted(made: Made) -> None:
    made.pursuit.read_anew()
    assert made.wanted[-1] is not None
    made.directory.rmdir()
    made.pursuit.look()
    assert made.pursuit.is_given_up
    assert made.wanted[-1] is None


def test_who_is_told_to_end_does_not_begin_anew_when_something_changes(made: Made) -> None:
    made.pursuit.stop_all()
    made.pursuit.read_anew()
    assert made.pursuit.is_given_up
    assert made.wanted == [None, None]
