"""Releases that take over without losing a request, or not at all."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import Load
from tests.integration.rollout_support import WEB, Releases, released
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]
WORKER = "echo begins; trap 'echo ends; exit 0' TERM; while :; do sleep 0.05; done"


@pytest.fixture
def app(open_dir: Path) -> Iterator[Releases]:
    found = released(open_dir / "site")
    yield found
    found.site.must("stop")


def test_no_request_fails_while_releases_follow_each_other(app: Releases) -> None:
    site = app.site
    slugs = [app.slug(name) for name in ("two", "three")]
    site.start("web=3")
    load = Load(port=site.port, clients=2, slow_clients=2)

    def work() -> None:
        site.must("deploy", slugs[0])
        site.must("deploy", slugs[1], "--strategy", "all-at-once")
        site.must("scale", "web=1")

    load.during(work)
    assert load.failed == []
    assert set(load.bodies) == {"one", "two", "three"}
    assert app.statuses() == dict.fromkeys(("v1", "v2", "v3"), "succeeded")


def test_a_release_that_answers_500_does_not_take_over_and_the_error_shows_it(
    app: Releases,
) -> None:
    site = app.site
    site.start("--health", "/", "--boot-timeout", "4")
    before = site.pids()
    said = site.run("deploy", app.slug("two"), "--health", "//example.com/broken")
    assert said.code == 1
    assert said.out == ""
    assert (
        "Error: polls v2 did not come up: web.1 answered 500 at /broken, within 4 seconds\n"
        in said.err
    )
    assert " !     v1 keeps running.\n" in said.err
    assert " !     Its last answer, with status 500:\n !         two\n" in said.err
    assert site.pids() == before
    assert site.get() == "one"
    assert app.statuses() == {"v1": "succeeded", "v2": "failed"}
    assert re.search(r"^v2 .* did not come up ", site.must("releases").out, re.M)
    shown = json.loads(site.must("releases", "info", "v2", "--json").out)["failure"]
    assert (shown["container"], shown["status"], shown["body"]) == ("web.1", 500, "two")
    # What was said with it went with it: the one before is healthy by what it was told.
    site.must("restart")
    assert site.get() == "one"
    refused = site.run("rollback", "v2")
    assert "v2 never ran: it did not come up" in refused.err


def test_a_release_that_ends_at_once_does_not_take_over(app: Releases) -> None:
    site = app.site
    site.start("web=2")
    broken = "web: echo booting; echo no database >&2; exit 3\n"
    said = site.run("deploy", app.slug("two", procfile=broken))
    assert said.code == 1
    assert re.search(r"polls v2 did not come up: web\.[12] exited with status 3\n", said.err)
    assert " !     The last it said:\n !         booting\n !         no database\n" in said.err
    assert site.get() == "one"
    assert {each["release"] for each in site.containers().values()} == {1}
    # Nobody tries it again: the newest that succeeded is what is wanted.
    site.must("config", "set", "A=1")
    assert app.statuses() == {"v1": "succeeded", "v2": "failed", "v3": "succeeded"}
    assert site.get() == "one"


def test_a_worker_that_ends_takes_its_release_back_and_never_ran_twice(app: Releases) -> None:
    site = app.site
    procfile = f"{WEB}worker: {WORKER}\n"
    site.must("deploy", app.slug("two", procfile=procfile))
    site.start("worker=1")
    broken = f"{WEB}worker: echo begins; sleep 0.5; echo ends; exit 4\n"
    said = site.run("deploy", app.slug("three", procfile=broken))
    assert said.code == 1
    assert "polls v3 did not come up: worker.1 exited with status 4" in said.err
    assert {each["release"] for each in site.containers().values()} == {2}
    assert site.get() == "two"
    lines = re.findall(r"app\[worker\.1\]: (begins|ends)", site.log("-d", "worker.1"))
    assert lines == ["begins", "ends", "begins", "ends", "begins"]


def test_workers_may_overlap_where_somebody_says_so(app: Releases) -> None:
    site = app.site
    procfile = f"worker: {WORKER}\n"
    site.must("deploy", app.slug("two", procfile=procfile))
    site.start("worker=1", "--overlap", "worker")
    site.must("restart")
    # What they print comes whenever they get to it.
    lines = re.findall(r"slug-run\[worker\.1\]: (Starting|Stopping)", site.log("-d", "worker.1"))
    assert lines == ["Starting", "Starting", "Stopping"]


def test_the_app_s_own_checks_are_asked(app: Releases) -> None:
    site = app.site
    site.start()
    checks: list[dict[str, object]] = [
        {"type": "startup", "path": "/", "content": "two"},
        {"type": "readiness"},
    ]
    manifest = json.dumps({"healthchecks": {"web": checks}})
    said = site.must("deploy", app.slug("two", files={"app.json": manifest}))
    assert "app.json: healthchecks.web[1] is left out: a readiness check needs a " in said.err
    assert site.get() == "two"
    checks = [{"path": "/", "content": "four", "attempts": 2, "wait": 0.1}]
    manifest = json.dumps({"healthchecks": {"web": checks}})
    said = site.run("deploy", app.slug("three", files={"app.json": manifest}))
    assert said.code == 1
    assert "was not healthy: it answered 200 at / without 'four'" in said.err
    manifest = json.dumps({"healthchecks": {"web": [{"path": 3, "paht": "/"}]}})
    said = site.run("deploy", app.slug("four", files={"app.json": manifest}))
    assert said.code == 65
    assert "healthchecks.web[0].path is not a text." in said.err
    assert app.statuses() == {"v1": "succeeded", "v2": "succeeded", "v3": "failed"}


def test_commands_are_asked_inside_and_what_is_not_alive_is_started_again(app: Releases) -> None:
    site = app.site
    procfile = "worker: cd /tmp; sleep 0.3; touch ready; exec sleep 100000\n"
    startup = {"command": 'test "$DYNO $COLOR" = "worker.1 red" -a -e /tmp/ready', "wait": 0.1}
    liveness = {"type": "liveness", "command": ["test", "!", "-e", "/tmp/dead"], "wait": 0.1}

    def manifest(**more: object) -> dict[str, str]:
        checks = [{**startup, **more}, {**liveness, "attempts": 2}]
        return {"app.json": json.dumps({"healthchecks": {"worker": checks}})}

    site.must("config", "set", "COLOR=red")
    site.must("deploy", app.slug("two", procfile=procfile, files=manifest(attempts=50)))
    site.start("worker=1", "--stop-timeout", "1")
    before = site.pids()["worker.1"]
    site.must("exec", "worker.1", "--", "touch", "/tmp/dead")
    until(lambda: site.pids().get("worker.1", before) != before, site.log)
    assert "Liveness check failed: it ended `test '!' -e /tmp/dead` with status 1" in site.log()
    assert "worker.1]: State changed from up to crashed" in site.log()
    broken = manifest(command="echo nothing works; exit 3", attempts=1)
    said = site.run("deploy", app.slug("three", procfile=procfile, files=broken))
    assert said.code == 1
    shown = "ended `echo nothing works; exit 3` with status 3: nothing works"
    assert f"worker.1 was not healthy: it {shown}" in said.err
    assert {each["release"] for each in site.containers().values()} == {3}


BUSY = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_busy = self.path == "/ready" and os.path.exists("/tmp/busy")
        body = os.environ["DYNO"].encode()
        self.send_response(503 if is_busy else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_what_is_not_ready_gets_no_requests_and_is_left_running(app: Releases) -> None:
    site = app.site
    check = {"type": "readiness", "path": "/ready", "wait": 1, "attempts": 2}
    manifest = json.dumps({"healthchecks": {"web": [check]}})
    site.must("deploy", app.slug("two", files={"app.json": manifest, "server.py": BUSY}))
    site.start("web=2")
    before = site.pids()

    def ready() -> set[str]:
        return {name for name, each in site.containers().items() if each["ready"]}

    assert ready() == {"web.1", "web.2"}
    site.must("exec", "web.2", "--", "touch", "/tmp/busy")
    until(lambda: ready() == {"web.1"}, site.log)
    assert {site.get() for _ in range(20)} == {"web.1"}
    assert re.search(r"^web\.2: up .*, not ready\)$", site.must("ps").out, re.M)
    assert "web.2]: Readiness check failed: it answered 503 at /ready. It gets no" in site.log()
    site.must("exec", "web.1", "--", "touch", "/tmp/busy")
    until(lambda: ready() == set(), site.log)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        site.get()
    site.must("exec", "web.2", "--", "rm", "/tmp/busy")
    until(lambda: ready() == {"web.2"}, site.log)
    assert site.get() == "web.2"
    assert "web.2]: Readiness check passed: it gets requests again" in site.log()
    assert site.pids() == before


def test_a_long_request_is_finished_before_its_container_stops(app: Releases) -> None:
    site = app.site
    site.start("web=1")
    answers: list[str] = []

    def ask() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/slow", timeout=60) as answer:
            answers.append(answer.read().decode())

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    site.must("deploy", app.slug("two"))
    thread.join()
    assert answers == ["one"]
    lines = [line.partition(" ")[2] for line in site.log("-d", "web.1").splitlines()]
    assert "slug-run[web.1]: Process exited with status 143" in lines


def test_a_request_that_takes_too_long_does_not_hold_a_release_up(app: Releases) -> None:
    site = app.site
    site.start("--drain-timeout", "0.2", "--health", "port")
    thread = threading.Thread(target=_ask_in_vain, args=(f"http://127.0.0.1:{site.port}/endless",))
    thread.start()
    time.sleep(0.3)
    site.must("deploy", app.slug("two"))
    thread.join()
    assert "Drain timeout -> 1 connection still open after 0.2 seconds" in site.log()


def test_scaling_while_a_release_is_rolled_out_is_part_of_it(app: Releases) -> None:
    site = app.site
    slow = "web: sleep 0.4; exec /usr/bin/python3 server.py\n"
    slug = app.slug("two", procfile=slow)
    site.start("web=2", "--strategy", "one-by-one")
    command = app.popen("deploy", slug)
    until(lambda: "2" in {str(x["release"]) for x in site.containers_now()})
    site.must("scale", "web=3")
    _, err = command.communicate(timeout=60)
    assert command.returncode == 0, err
    found = site.containers()
    assert {name: each["release"] for name, each in found.items()} == dict.fromkeys(
        ("web.1", "web.2", "web.3"), 2
    )
    assert app.statuses()["v2"] == "succeeded"


def _ask_in_vain(url: str) -> None:
    with pytest.raises(OSError, match=r"502|504|503|Remote end closed|reset"):
        urllib.request.urlopen(url, timeout=60)
