"""Where an app is kept running, what is released runs before the command ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runner.deploys.taking_effect import take_effect
from runner.deploys.verdict import RolloutFailedError
from runner.state.rollouts import Failure, RolloutState
from runner.state.values import App
from runner.supervision.errors import NotUpError
from runner.supervision.poke import Settled
from tests.unit.runner.deploys.counter import Counter

BROKEN = Failure(
    name="web.2",
    text="answered 500 at /healthz, within 60 seconds",
    status=500,
    body="no such table: polls\n<b>\x1b[31m</b>",
    last=("booting", "ready"),
)


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
        rollouts = RolloutState(counter.state, app)
        if (rollout := rollouts.current()) is not None:
            if app.name == "blog":
                rollouts.fail(rollout.version, BROKEN)
            else:
                rollouts.succeed(rollout.version)
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


def test_a_release_is_pending_until_it_is_up(counter: Counter, poked: list[App]) -> None:
    counter.deploy(counter.slug("one"))
    counter.state.set_supervision(counter.app, {})
    deployed = counter.deploy(counter.slug("two"))
    assert counter.statuses() == {"v1": "succeeded", "v2": "pending"}
    assert counter.current() == "v1"
    take_effect(counter.desk, deployed)
    assert counter.statuses() == {"v1": "succeeded", "v2": "succeeded"}
    assert poked == [counter.app]


def test_a_release_that_does_not_come_up_is_failed_and_the_error_says_why(
    counter: Counter, poked: list[App]
) -> None:
    blog = counter.state.create_app("blog")
    counter.deploy(counter.slug("one"), app=blog)
    counter.state.set_supervision(blog, {})
    deployed = counter.deploy(counter.slug("two"), app=blog)
    with pytest.raises(RolloutFailedError) as raised:
        take_effect(counter.desk, deployed)
    assert counter.statuses(blog) == {"v1": "succeeded", "v2": "failed"}
    error = raised.value
    assert error.brief == (
        "blog v2 did not come up: web.2 answered 500 at /healthz, within 60 seconds"
    )
    assert error.details == (
        "v1 keeps running.\n"
        "\n"
        "Its last answer, with status 500:\n"
        "    no such table: polls\n"
        "    <b>\\x1b[31m</b>\n"
        "\n"
        "The last it said:\n"
        "    booting\n"
        "    ready"
    )
    assert error.resolution.endswith("    slug-run logs --app blog -d web.2")
    assert int(error.exit_code) == 1


def test_where_nothing_ran_before_the_error_says_so(counter: Counter, poked: list[App]) -> None:
    blog = counter.state.create_app("blog")
    counter.state.set_supervision(blog, {})
    with pytest.raises(RolloutFailedError) as raised:
        take_effect(counter.desk, counter.deploy(counter.slug("one"), app=blog))
    assert raised.value.kept == "There is no earlier release to go back to: nothing runs."


def test_settings_given_with_a_deploy_hold_once_it_is_up(
    counter: Counter, poked: list[App]
) -> None:
    counter.state.set_supervision(counter.app, {"port": 5001})
    deployed = counter.deploy(counter.slug("one"), settings={"health": "/up"})
    assert counter.state.supervision(counter.app) == {"port": 5001}
    take_effect(counter.desk, deployed)
    assert counter.state.supervision(counter.app) == {"port": 5001, "health": "/up"}
    blog = counter.state.create_app("blog")
    counter.state.set_supervision(blog, {"port": 5002})
    with pytest.raises(RolloutFailedError):
        take_effect(
            counter.desk,
            counter.deploy(counter.slug("two"), app=blog, settings={"health": "/up"}),
        )
    assert counter.state.supervision(blog) == {"port": 5002}


def test_an_app_that_is_stopped_meanwhile_has_a_release_that_failed(counter: Counter) -> None:
    counter.deploy(counter.slug("one"))
    counter.state.set_supervision(counter.app, {})
    counter.deploy(counter.slug("two"))
    counter.state.set_supervision(counter.app, None)  # and its command was killed
    counter.deploy(counter.slug("three"))
    assert counter.statuses() == {"v1": "succeeded", "v2": "failed", "v3": "succeeded"}
    found = RolloutState(counter.state, counter.app).of(2)
    assert found is not None
    assert found.failure is not None
    assert found.failure.text == "the app was stopped before it was up"
