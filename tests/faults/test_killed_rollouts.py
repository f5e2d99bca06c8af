"""Whoever is killed while a release is rolled out: it ends once, and nothing is lost.

More rounds by hand: SLUGKIT_ROUNDS=100 pytest tests/faults/test_killed_rollouts.py
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.rollout_support import Releases, released
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]
ROUNDS = int(os.environ.get("SLUGKIT_ROUNDS", "1"))
SLOW = "web: sleep 0.5; exec /usr/bin/python3 server.py\n"


@pytest.fixture
def app(open_dir: Path) -> Iterator[Releases]:
    found = released(open_dir / "site")
    yield found
    found.site.must("stop")


def kill_command(app: Releases, pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)


def kill_supervisor(app: Releases, pid: int) -> None:
    with contextlib.suppress(KeyError, ProcessLookupError):
        os.kill(app.site.processes()["supervisor"], signal.SIGKILL)


def kill_both(app: Releases, pid: int) -> None:
    kill_supervisor(app, pid)
    kill_command(app, pid)


@pytest.mark.parametrize("kill", [kill_command, kill_supervisor, kill_both])
def test_a_rollout_comes_to_its_end_whoever_is_killed(
    app: Releases, kill: Callable[[Releases, int], None]
) -> None:
    site = app.site
    slugs = [app.slug(name, procfile=SLOW) for name in ("two", "three")]
    site.start("web=2", "--strategy", "one-by-one")
    chance = random.Random()

    def now() -> str:
        return f"{app.statuses()} {site.containers_now()}\n{site.log()}\n{site.errors()}"

    for number in range(ROUNDS):
        newest = len(app.statuses()) + 1
        command = app.popen("deploy", slugs[number % 2])
        until(lambda at=newest: app.rollout(at) is not None, now)  # type: ignore[misc]  # bound now
        time.sleep(chance.uniform(0, 1.5))
        kill(app, command.pid)
        command.communicate(timeout=PATIENCE)
        until(lambda at=newest: _is_over(app, at), now)  # type: ignore[misc]  # as above
        assert app.statuses()[f"v{newest}"] == "succeeded", now()
        until(lambda at=newest: _all_of(app, at), now)  # type: ignore[misc]  # as above
        assert site.get() in {"two", "three"}
    assert set(site.containers()) == {"web.1", "web.2"}


def test_a_rollout_whose_app_was_killed_whole_goes_on_when_somebody_comes(app: Releases) -> None:
    site = app.site
    site.start("web=2", "--strategy", "one-by-one")
    command = app.popen("deploy", app.slug("two", procfile=SLOW))
    until(lambda: app.rollout(2) is not None)
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate(timeout=PATIENCE)
    found = site.processes()
    for name in ("keeper", "supervisor"):
        with contextlib.suppress(KeyError, ProcessLookupError):
            os.kill(found[name], signal.SIGKILL)
    assert app.statuses()["v2"] == "pending"
    # Whoever changes the app next waits for the verdict.
    said = site.must("config", "set", "A=1")
    assert "Waiting for polls: v2 is being rolled out.\n" in said.err
    assert app.statuses() == dict.fromkeys(("v1", "v2", "v3"), "succeeded")
    assert site.get() == "two"


def test_two_deploys_at_once_follow_each_other(app: Releases) -> None:
    site = app.site
    slugs = [app.slug(name, procfile=SLOW) for name in ("two", "three")]
    site.start("web=2")
    commands = [app.popen("deploy", slug) for slug in slugs]
    said = [each.communicate(timeout=PATIENCE) for each in commands]
    assert [each.returncode for each in commands] == [0, 0], said
    assert app.statuses() == dict.fromkeys(("v1", "v2", "v3"), "succeeded")
    assert _all_of(app, 3)
    assert any("is being rolled out.\n" in err or "Waiting for polls" in err for _, err in said)


def test_stopped_in_the_middle_a_release_has_failed_and_the_one_before_starts_next(
    app: Releases,
) -> None:
    site = app.site
    site.start("web=2", "--strategy", "one-by-one")
    command = app.popen("deploy", app.slug("two", procfile=SLOW))
    until(lambda: app.rollout(2) is not None)
    site.must("stop")
    _, err = command.communicate(timeout=PATIENCE)
    assert command.returncode == 1
    assert "polls v2 did not come up: the app was stopped before it was up\n" in err
    assert " !     v1 is the release that starts next.\n" in err
    assert app.statuses() == {"v1": "succeeded", "v2": "failed"}
    site.start()
    assert site.get() == "one"


def test_a_release_whose_containers_ignore_sigterm_is_replaced_all_the_same(app: Releases) -> None:
    site = app.site
    deaf = "web: trap '' TERM; /usr/bin/python3 server.py\n"
    site.must("deploy", app.slug("two", procfile=deaf))
    site.start("web=1", "--stop-timeout", "0.5")
    # Killed when its time to end is over, and meanwhile it may end by itself, with any code.
    site.must("deploy", app.slug("three"))
    assert site.get() == "three"
    assert "Error R12 (Exit timeout)" in site.log("-d", "web.1") or "status 143" in site.log()
    assert _all_of(app, 3)


def _is_over(app: Releases, version: int) -> bool:
    found = app.rollout(version)
    return found is not None and not found.is_open


def _all_of(app: Releases, version: int) -> bool:
    found = app.site.containers_now()
    return [(x["release"], x["state"]) for x in found] == [(version, "up")] * 2 or (
        len(found) == 1 and found[0]["release"] == version
    )
