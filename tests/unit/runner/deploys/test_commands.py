"""The commands as they are typed: words, output, JSON and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from buildpack.support.deletion import remove_tree
from runner.app_lock import app_lock
from runner.main import main
from runner.signals import InterruptedEarlyError
from runner.state.rollouts import Failure, RolloutState
from tests.unit.runner.deploys.counter import Counter
from tests.unit.runner.fakes import Behaviour

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    for name in ("HEROKU_APP", "SLUG_RUN_APP", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLUGKIT_HOME", str(counter.desk.data_dir))
    monkeypatch.setenv("LOGNAME", "alice")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(counter.root)

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(list(words))
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err, captured.err
        return code, captured.out, captured.err

    return run


def documents(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_deploy_tells_on_standard_error_and_answers_on_standard_output(
    counter: Counter, call: Call
) -> None:
    slug = counter.slug("one", {"web": "serve", "release": "migrate"})
    code, out, err = call("deploy", "one.slug")
    short = slug.metadata.checksum[7:15]
    assert (code, out) == (0, f"Deployed {short} to polls: v1\n")
    assert "Running the release command `migrate` in release.1\n" in err
    assert err.splitlines()[2].endswith("app[release.1]      | migrated")
    assert call("deploy", "one.slug") == (
        0,
        f"polls v1 has the slug {short} already: no release was made\n",
        f"Deploying one.slug to polls (slug {short})\n"
        "polls is not running: slug-run start -d --app polls\n",
    )
    assert call("deploy", "one.slug", "--force", "-q") == (
        0,
        f"Deployed {short} to polls: v2\n",
        "",
    )


def test_scaling_without_waiting_is_refused_while_the_app_is_changed(
    counter: Counter, call: Call
) -> None:
    counter.deploy(counter.slug("one"))
    desk = counter.desk
    with app_lock(desk.state, desk.data_dir, counter.app, doing="a deploy", who="bob"):
        code, out, err = call("scale", "web=2", "--no-wait")
    assert (code, out) == (75, "")
    assert "A deploy by bob has held it for 0 seconds" in err
    assert "nothing was changed" in err
    assert call("scale")[:2] == (0, "web=1:standard-1x\n")


def test_deploy_as_json_is_a_line_for_each_event(counter: Counter, call: Call) -> None:
    slug = counter.slug("one", {"web": "serve", "release": "migrate"})
    code, out, _ = call("deploy", "one.slug", "--json")
    events = documents(out)
    assert code == 0
    assert [event["event"] for event in events] == [
        "deploying", "release-phase", "released", "not-running", "result",
    ]  # fmt: skip
    assert {event["app"] for event in events} == {"polls"}
    assert events[-1]["ok"] is True
    assert (events[-1]["version"], events[-1]["slug"]) == (1, slug.metadata.checksum)


def test_a_failure_as_json_is_on_standard_output_with_the_same_code(
    counter: Counter, call: Call
) -> None:
    counter.slug("one", {"release": "migrate"})
    counter.release_command(1, Behaviour(exits=1))
    code, out, _ = call("deploy", "one.slug", "--json")
    error = documents(out)[-1]["error"]
    assert code == 1
    assert (error["code"], error["id"], error["app"]) == (1, "release-failed", "polls")
    assert error["message"].startswith("polls v1 was not released")
    code, out, err = call("rollback", "v9", "--json")
    assert (code, documents(out)[0]["error"]["id"], err) == (64, "no-such-release", "")


def test_deploy_makes_the_app_when_told_to(counter: Counter, call: Call) -> None:
    counter.slug("one")
    code, _, err = call("deploy", "one.slug", "--app", "shop")
    assert code == 64
    assert "There is no app called 'shop'" in err
    code, out, err = call("deploy", "one.slug", "--app", "shop", "--create")
    assert (code, err.splitlines()[0]) == (0, "Made the app shop")
    assert "to shop: v1" in out
    code, out, _ = call("deploy", "one.slug", "--app", "shop", "--create")
    assert "already" in out
    assert call("deploy", "one.slug", "--app", "Shop!", "--create")[0] == 64
    assert sorted(app.name for app in counter.state.apps()) == ["polls", "shop"]
    assert call("deploy", "one.slug")[0] == 64  # which of the two is not clear


def test_a_bad_slug_makes_no_app(counter: Counter, call: Call) -> None:
    (counter.root / "page.slug").write_text("<html>")
    assert call("deploy", "page.slug", "--app", "shop", "--create")[0] == 65
    assert call("deploy", "gone.slug", "--app", "shop", "--create")[0] == 66
    slug = counter.slug("damaged", content="x" * 5000)
    content = bytearray(slug.archive.read_bytes())
    content[20] ^= 0xFF
    slug.archive.write_bytes(content)
    assert call("deploy", "damaged.slug", "--app", "shop", "--create")[0] == 65
    assert [app.name for app in counter.state.apps()] == ["polls"]


def test_the_first_app_is_called_as_its_slug(counter: Counter, call: Call) -> None:
    counter.state.destroy_app(counter.app)
    counter.slug("one")
    assert "to polls: v1" in call("deploy", "one.slug", "--create")[1]


def test_releases_are_listed_newest_first(counter: Counter, call: Call) -> None:
    assert call("releases")[1] == "polls has no releases yet\n"
    first = counter.slug("one", {"release": "migrate"})
    second = counter.slug("two")
    counter.release_command(1, Behaviour(exits=1))
    assert call("deploy", "one.slug")[0] == 1
    assert call("deploy", "two.slug")[0] == 0
    assert call("deploy", "one.slug")[0] == 0
    counter.desk.slugs.path(second.metadata.checksum).unlink()
    code, out, err = call("releases")
    one, two = first.metadata.checksum[7:15], second.metadata.checksum[7:15]
    lines = out.splitlines()
    assert (code, err, lines[0]) == (0, "", "=== polls: releases")
    assert [" ".join(line.split()[:-1]) for line in lines[1:]] == [
        f"v3 Deploy {one} current alice",
        f"v2 Deploy {two} slug gone alice",
        f"v1 Deploy {one} release command failed alice",
    ]
    info = call("releases", "info", "v1")[1]
    assert "Status   release command failed\n" in info
    assert len(call("releases", "-n", "1")[1].splitlines()) == 2
    found = json.loads(call("releases", "--json")[1])
    assert [(x["version"], x["status"], x["current"], x["slug_gone"]) for x in found] == [
        (3, "succeeded", True, False),
        (2, "succeeded", False, True),
        (1, "failed", False, False),
    ]
    assert [x["eligible_for_rollback"] for x in found] == [False, False, False]


def test_info_shows_all_but_the_values_of_config_vars(counter: Counter, call: Call) -> None:
    counter.config(TOKEN="s3cret", A="s3cret")
    counter.slug("one", {"web": "serve x://u:s3cret@h"}, commit="0123456789")
    call("deploy", "one.slug")
    code, out, _ = call("releases", "info", "v2")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in out.splitlines()[1:])
    assert out.startswith("=== polls v2\n")
    assert (rows["Status"], rows["By"], rows["Config"]) == (
        "current",
        "alice",
        "A, TOKEN",
    )
    assert (rows["Commit"], rows["web"]) == ("0123456789", "serve x://***@h")
    found = json.loads(call("releases", "info", "2", "--json")[1])
    assert found["config_vars"] == ["A", "TOKEN"]
    assert "s3cret" not in out + json.dumps(found)
    assert "none yet" in call("releases", "info", "v1")[1]
    assert call("releases", "info") == call("releases", "info", "v2")


def test_an_app_without_releases_has_none_to_show(counter: Counter, call: Call) -> None:
    code, _, err = call("releases", "info")
    assert code == 64
    assert "polls has no release v1" in err


def test_the_output_of_a_release_command_is_given_byte_for_byte(
    counter: Counter, call: Call
) -> None:
    counter.slug("one", {"release": "migrate"})
    counter.release_command(1, Behaviour(exits=0, output="a\r\x1b[31mb é\n".encode()))
    call("deploy", "one.slug", "-q")
    assert call("releases", "output", "v1")[1] == "a\r\x1b[31mb é\n"
    assert call("releases", "output") == call("releases", "output", "v1")
    counter.slug("two")
    call("deploy", "two.slug")
    code, _, err = call("releases", "output", "v2", "--app", "polls")
    assert code == 64
    assert "There is no output of polls v2" in err


def test_rollback_retry_promote_and_prune(counter: Counter, call: Call) -> None:
    counter.state.create_app("shop")
    counter.slug("one")
    counter.slug("two", {"release": "migrate"})
    app = ("--app", "polls")
    call("deploy", "one.slug", *app)
    counter.release_command(2, Behaviour(exits=1))
    assert call("deploy", "two.slug", *app)[0] == 1
    assert call("releases", *app, "retry")[1].endswith("done: polls v3\n")
    assert call("rollback", *app)[1] == "Rollback to v1 done: polls v4\n"
    assert call("releases:rollback", "v3", *app)[1] == "Rollback to v3 done: polls v5\n"
    assert "to shop: v1\n" in call("promote", *app, "--to", "shop")[1]
    assert call("promote", *app, "--to", "polls")[0] == 64
    assert call("promote", *app, "--to", "nobody")[0] == 64
    assert call("releases", "prune")[1] == "Nothing to free\n"
    assert call("releases", "prune", "--keep", "1")[1].startswith("Freed 1 slug, ")
    assert json.loads(call("releases", "prune", "--json")[1]) == {"freed": 0, "slugs": []}


def test_of_several_targets_each_is_promoted_to(counter: Counter, call: Call) -> None:
    for name in ("shop", "blog"):
        counter.state.create_app(name)
    counter.slug("one", {"release": "migrate"})
    call("deploy", "one.slug", "--app", "polls")
    counter.behaviours["release.1"] = (Behaviour(exits=1),)
    shop = counter.state.app("shop")
    counter.config(shop, A="1")
    words = ("promote", "--app", "polls", "--to", "blog", "--to", "shop")
    code, out, err = call(*words)
    assert code == 1
    assert "blog v1 was not released" in err
    assert "to shop: v2\n" in out
    assert counter.statuses(shop) == {"v1": "succeeded", "v2": "succeeded"}


def test_plan_says_by_its_exit_code_whether_anything_would_change(
    counter: Counter, call: Call
) -> None:
    counter.slug("one")
    code, out, err = call("plan", "one.slug")
    assert (code, out.splitlines()[0], err) == (0, "polls (no release) -> v1", "")
    assert call("plan", "one.slug", "--exit-code")[0] == 1
    call("deploy", "one.slug")
    assert call("plan", "one.slug", "--exit-code")[0] == 0
    assert json.loads(call("plan", "one.slug", "--json")[1])["changes"] is False
    assert call("plan", "gone.slug")[0] == 66
    assert counter.statuses() == {"v1": "succeeded"}


def test_a_slug_that_cannot_be_unpacked_any_more_does_not_keep_plan_from_the_next(
    counter: Counter, call: Call
) -> None:
    old = counter.deploy(counter.slug("one")).release.slug or ""
    remove_tree(counter.desk.data_dir / "store")
    kept = counter.desk.slugs.path(old)
    content = bytearray(kept.read_bytes())
    content[60:80] = bytes(20)  # in its only layer
    kept.write_bytes(content)
    counter.slug("two")
    code, out, err = call("plan", "two.slug")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "polls v1 -> v2"


def test_what_was_deployed_is_run_with_its_config_and_given_values_win(
    counter: Counter, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(choice: object, request: Any) -> object:
        counter.requests.append(request)
        raise InterruptedEarlyError(2)

    monkeypatch.setattr("runner.carrying.opened_engine", opened)
    # Nothing is started: whoever has port 5000 of this machine does not matter.
    monkeypatch.setattr("runner.carrying.ensure_port_free", lambda *_, **__: None)
    code, _, err = call("run", "--app", "polls", "true")
    assert code == 64
    assert "Nothing was deployed to polls yet" in err
    counter.config(A="app", B="app")
    counter.deploy(counter.slug("one", config_vars={"B": "slug", "C": "slug"}))
    code, _, err = call("web", "--app", "polls", "-e", "A=given")
    assert code == 130
    assert err.startswith("Booting polls v2 (slug ")
    assert dict(counter.requests[-1].release.config_vars) == {
        "A": "given", "B": "app", "C": "slug",
    }  # fmt: skip
    monkeypatch.setenv("SLUG_RUN_APP", "polls")
    assert call("run", "--", "true")[0] == 130
    assert counter.requests[-1].release.title == "polls v2"
    assert call("run", "--slug", "one.slug", "--", "true")[0] == 130  # a slug that is named wins
    assert counter.requests[-1].release.title == "polls"
    assert call("run", "--app", "polls", "--slug", "one.slug", "--", "true")[0] == 64
    assert call("run", "--app", "pols", "--", "true")[0] == 64
    monkeypatch.delenv("SLUG_RUN_APP")
    assert call("run", "--", "true")[0] == 130  # the only slug here
    assert counter.requests[-1].release.title == "polls"
    monkeypatch.chdir(counter.desk.data_dir)
    assert call("run", "--", "true")[0] == 130  # none is here: the only app
    assert counter.requests[-1].release.title == "polls v2"
    assert call("apps", "create", "other")[0] == 0
    assert call("run", "--", "true")[0] == 66  # which app is not clear


def test_who_runs_a_slug_by_its_file_does_not_wait_for_what_apps_need() -> None:
    code = (
        "import sys; from runner.main import main; main(['web', '--slug', '/nonexistent']);"
        "assert not {'sqlite3', 'runner.deploys', 'runner.state'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr


def test_how_containers_take_over_is_said_only_of_what_runs(counter: Counter, call: Call) -> None:
    counter.slug("one")
    code, out, err = call("deploy", "one.slug", "--health", "/up", "--no-overlap", "web")
    assert (code, out) == (64, "")
    assert "--health, --no-overlap cannot be used: polls is not running" in err
    assert "slug-run start -d --app polls --health ..." in err
    assert counter.statuses() == {}
    code, _, err = call("start", "--strategy", "rolling", "--drain-timeout", "3")
    assert code == 64
    assert "--strategy, --drain-timeout cannot be used without --detach" in err
    assert "slug-run start -d --strategy ..." in err


def test_what_is_said_with_a_deploy_is_looked_at_before_anything_changes(
    counter: Counter, call: Call
) -> None:
    counter.slug("one")
    counter.state.set_supervision(counter.app, {"overlap": {"clock": True}})
    code, _, err = call("deploy", "one.slug", "--health", "up")
    assert code == 64
    assert "'up' is no path of an app" in err
    code, _, err = call("deploy", "one.slug", "--strategy", "slowly")
    assert code == 64
    assert "'rolling', 'all-at-once', 'one-by-one'" in err
    assert counter.statuses() == {}


def test_the_list_says_what_did_not_come_up_and_info_says_why(counter: Counter, call: Call) -> None:
    counter.deploy(counter.slug("one"))
    counter.state.set_supervision(counter.app, {})
    counter.deploy(counter.slug("two"))
    rollouts = RolloutState(counter.state, counter.app)
    assert "v2  Deploy " in call("releases")[1]
    assert "  being rolled out  " in call("releases")[1]
    rollouts.fail(2, Failure(name="web.1", text="exited with status 3", last=("bye",)))
    assert "  did not come up  " in call("releases")[1]
    assert "Failed  web.1 exited with status 3\n" in call("releases", "info", "v2")[1]
    (found,) = documents(json.dumps(json.loads(call("releases", "info", "v2", "--json")[1])))
    assert found["failure"] == {
        "container": "web.1",
        "reason": "exited with status 3",
        "status": None,
        "body": "",
        "last_lines": ["bye"],
    }
    code, _, err = call("rollback", "v2")
    assert code == 64
    assert "v2 never ran: it did not come up." in err
