"""slug-run apps: create, list, info, rename and destroy."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from runner.app_lock import app_lock
from runner.state.state import opened_state
from runner.state.values import WantedCount
from runner.supervision.wanted import Settings
from slugc.procfile import ProcessType
from tests.unit.runner.config.conftest import SlugRun


def test_an_app_is_created_listed_renamed_and_destroyed(slug_run: SlugRun) -> None:
    assert slug_run("apps") == (0, "", "There are no apps here yet: slug-run apps create polls\n")
    code, out, err = slug_run("apps", "create", "polls")
    assert (code, out) == (0, "polls\n")
    assert "slug-run deploy FILE.slug --app polls" in err
    assert slug_run.done("apps", "list") == "polls  no release yet\n"
    assert slug_run("apps", "rename", "shop")[2] == "polls is called shop now.\n"
    slug_run.done("config", "set", "SECRET=s3cret")
    listed = slug_run.done("apps")
    assert listed.startswith("shop  v1  20")
    assert listed.endswith("Set SECRET config vars by me\n")
    assert slug_run("apps:destroy", "-a", "shop", "-c", "shop") == (0, "", "Destroyed shop.\n")
    assert slug_run.done("apps", "list", "--json") == "[]\n"
    assert slug_run.done("apps", "--json") == "[]\n"
    assert list((slug_run.home / "apps").iterdir()) == []


def test_info_tells_what_is_known_without_a_value(polls: SlugRun) -> None:
    polls.done("config", "set", "SECRET=s3cret", "A=1")
    web = WantedCount(process_type=ProcessType("web"), quantity=2, size="standard-2x")
    polls.state(lambda state: state.scale(state.app("polls"), lambda _: [web]))
    lines = polls.done("apps", "info", "polls").splitlines()
    assert lines[0] == "=== polls"
    assert lines[4:] == [
        "Slug:        none yet",
        "Config vars: 2",
        "Formation:   web=2:standard-2x",
    ]
    found = json.loads(polls.done("apps", "info", "--json"))
    assert (found["name"], found["config_vars"]) == ("polls", ["A", "SECRET"])
    assert found["formation"] == {"web": 2}
    assert found["release"]["version"] == 1
    assert "s3cret" not in polls.done("apps", "list", "--json")


def test_info_tells_where_an_app_answers_while_it_is_left_running(
    polls: SlugRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.front.TOOL_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    web = WantedCount(process_type=ProcessType("web"), quantity=2, size="")
    polls.state(lambda state: state.scale(state.app("polls"), lambda _: [web]))

    def told(**settings: object) -> object:
        document = {**Settings().as_json(), **settings} if settings else None
        polls.state(lambda state: state.set_supervision(state.app("polls"), document))
        url = json.loads(polls.done("apps", "info", "--json"))["url"]
        last = polls.done("apps", "info").splitlines()[-1]
        assert last == (f"URL:         {url}" if url else "Formation:   web=2")
        return url

    assert told(port=5123) is None  # without a load balancer each container has an address
    caddy = tmp_path / "caddy"
    caddy.touch()
    caddy.chmod(0o755)
    assert told() is None
    assert told(port=5123) == "http://localhost:5123"
    assert told(port=80, bind="::1") == "http://localhost:80"
    assert told(port=80, bind="2001:db8::7") == "http://[2001:db8::7]:80"


def test_an_app_of_another_name_or_twice(polls: SlugRun) -> None:
    code, _, err = polls("apps", "create", "Polls!")
    assert code == 64
    assert "'Polls!' is not a name for an app" in err
    code, _, err = polls("apps", "create", "polls")
    assert code == 64
    assert "There is an app called 'polls' already" in err
    polls.done("apps", "create", "shop")
    assert polls("apps", "rename", "shop", "--app", "polls")[0] == 64
    assert polls("apps", "rename", "-x", "--app", "polls")[0] == 64
    polls.done("apps", "rename", "polls", "--app", "polls")


@pytest.mark.parametrize(
    ("words", "found"), [((), ""), (("--confirm", "shop"), "'shop' is not its name. ")]
)
def test_destroy_wants_the_name(words: tuple[str, ...], found: str, polls: SlugRun) -> None:
    code, _, err = polls("apps", "destroy", "polls", *words)
    assert code == 64
    assert "polls was not destroyed" in err
    assert f"{found}Its releases, config vars and log would be gone." in err
    assert "slug-run apps destroy polls --confirm polls" in err
    assert polls.done("apps", "list").startswith("polls")


def test_destroy_waits_for_who_changes_the_app(
    polls: SlugRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.commands.apps.app_lock", partial(app_lock, patience=0.0))
    with opened_state(polls.home) as state:
        app = state.app("polls")
        with app_lock(state, polls.home, app, doing="a deploy", who="alice", patience=1):
            code, _, err = polls("apps", "destroy", "--confirm", "polls")
    assert code == 75
    assert "polls is being changed by somebody else" in err
    assert "A deploy by alice has held it" in err
