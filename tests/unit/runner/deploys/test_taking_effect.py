"""Where an app is kept running, what is released runs before the command ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runner.deploys.taking_effect import take_effect
from runner.state.values import App
from runner.supervision.asking import NotUpError
from runner.supervision.poke import Settled
from tests.unit.runner.deploys.counter import Counter


@pytest.fixture
def poked(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> list[App]:
    """Who is poked; web.1 comes up, and web.2 does if it is called so."""
    found: list[App] = []

    def poke(
        data_dir: Path,
        app: App,
        *,
        on_event: Callable[[Mapping[str, object]], None],
        env: Mapping[str, str],
    ) -> Settled:
        assert (data_dir, env) == (counter.desk.data_dir, counter.desk.env)
        found.append(app)
        on_event({"event": "up", "name": "web.1", "seconds": 0.31})
        if app.name == "polls":
            return Settled(ok=True, containers=({"name": "web.1", "state": "up"},))
        return Settled(ok=False, containers=({"name": "web.1", "state": "crashed"},))

    monkeypatch.setattr("runner.supervision.poke.poke", poke)
    return found


def test_the_supervisor_is_poked_and_what_it_tells_is_told(
    counter: Counter, poked: list[App]
) -> None:
    counter.state.set_supervision(counter.app, {})
    take_effect(counter.desk, counter.deploy(counter.slug("one")))
    assert poked == [counter.app]
    assert counter.err.getvalue().endswith("  web.1     up       0.3s\n")


def test_as_json_too(counter: Counter, poked: list[App]) -> None:
    counter.state.set_supervision(counter.app, {})
    counter.desk.narrator.as_json = True
    take_effect(counter.desk, counter.deploy(counter.slug("one")))
    assert poked
    told = counter.events()[-1]
    assert (told["event"], told["name"], told["seconds"]) == ("container-up", "web.1", 0.31)


def test_what_does_not_come_up_is_an_error(counter: Counter, poked: list[App]) -> None:
    shop = counter.state.create_app("shop")
    counter.state.set_supervision(shop, {})
    with pytest.raises(NotUpError, match=r"web\.1 did not come up"):
        take_effect(counter.desk, counter.deploy(counter.slug("one"), app=shop))
    assert poked == [shop]


def test_an_app_that_is_not_kept_running_is_left_alone(counter: Counter, poked: list[App]) -> None:
    take_effect(counter.desk, counter.deploy(counter.slug("one")))
    assert poked == []
    assert counter.err.getvalue().endswith("polls is not running: slug-run start -d --app polls\n")
