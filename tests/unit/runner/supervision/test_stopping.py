"""``stop`` where there is no room to write down that nothing is wanted any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.app_option import OpenedApp
from runner.commands.start import command
from runner.state.errors import StateBusyError, StateFileError
from runner.state.state import opened_state
from runner.supervision import detached, stopping
from runner.supervision.stopping import StopNotNotedError, start_words, stop
from runner.supervision.strategies import StrategyName
from runner.supervision.wanted import Settings

WORDS = """\
polls was stopped, and that could not be written down

It cannot be written: the disk is full.
The next deploy, scale, restart or change of its config vars starts it again, and so
does the machine's start where it has a service.

Make room, then have it remembered:

    slug-run stop --app polls"""


class Supervisor:
    """One that ends when it is asked to."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.is_there = True

    def ask(self, app: str, directory: Path, request: object, *, on_event: object) -> None:
        self.asked.append(request)
        self.is_there = False


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    found = Supervisor()
    monkeypatch.setattr(stopping, "ask", found.ask)
    monkeypatch.setattr(stopping, "is_supervised", lambda _: found.is_there)
    return found


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenedApp]:
    with opened_state(tmp_path) as state:
        app = state.create_app("polls")
        state.set_supervision(app, {})
        yield OpenedApp(app=app, state=state, data_dir=tmp_path, who="me")


def no_room(refused: int) -> Callable[[OpenedApp], None]:
    """Notes like ``stopping._note``, but not the first ``refused`` times."""
    real, left = stopping._note, [refused]

    def note(opened: OpenedApp) -> None:
        if left[0]:
            left[0] -= 1
            raise StateFileError(Path("state.db"), "It cannot be written: the disk is full.")
        real(opened)

    return note


def test_stop_is_noted_once_what_ran_has_given_back_its_room(
    opened: OpenedApp, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "_note", no_room(1))
    assert stop(opened)
    assert supervisor.asked == [{"do": "stop", "at_once": False}]
    assert opened.state.supervision(opened.app) is None


def test_stop_that_cannot_be_noted_at_all_says_what_follows_from_that(
    opened: OpenedApp, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "_note", no_room(2))
    with pytest.raises(StopNotNotedError) as caught:
        stop(opened, at_once=True)
    assert supervisor.asked == [{"do": "stop", "at_once": True}]
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    assert caught.value.text() == WORDS


def test_stop_that_cannot_be_noted_for_somebody_who_writes_does_not_say_nothing_was_done(
    opened: OpenedApp, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [
        StateFileError(Path("state.db"), "It cannot be written: the disk is full."),
        StateBusyError(Path("state.db"), 10.0),
    ]

    def note(_: OpenedApp) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(stopping, "_note", note)
    with pytest.raises(StopNotNotedError) as caught:
        stop(opened)
    assert caught.value.text() == WORDS.replace(
        "It cannot be written: the disk is full.", "state.db was in use for 10 seconds."
    ).replace("Make room", "Wait until it is free")


def test_stop_of_what_does_not_run_needs_the_room(
    opened: OpenedApp, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.is_there = False
    monkeypatch.setattr(stopping, "_note", no_room(1))
    with pytest.raises(StateFileError):
        stop(opened)
    assert supervisor.asked == []


def test_stop_with_room_has_the_supervisor_look_for_itself(
    opened: OpenedApp, supervisor: Supervisor
) -> None:
    assert stop(opened)
    assert supervisor.asked == [{"do": "reconcile"}]
    assert not stop(opened), "it was not running"


def test_what_is_forgotten_is_told_in_the_words_that_bring_it_back(opened: OpenedApp) -> None:
    told = Settings(
        port=8000,
        bind="0.0.0.0",
        boot_timeout=90.0,
        stop_timeout=7.5,
        drain_timeout=5.0,
        health="//www.example.com/up?quick=1&all=0",
        strategy=StrategyName.ONE_BY_ONE,
        overlap={"worker": True, "web": False},
        metrics=True,
        disk=64 << 20,
        router_log=False,
        request_timeout=None,
    )
    usual = Settings()
    assert not [name for name, value in told.as_json().items() if value == usual.as_json()[name]]
    words = start_words(told)
    options = command.make_context("start", ["-d", *words]).params
    assert detached._settings(opened, options, {}, ()) == told
    assert start_words(usual) == ()
