"""manifest: of an app.json what is understood is used, what is not is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.app_json.manifest import AppJsonChecksError, Manifest, parse_manifest, read_manifest
from runner.health import Check, HealthPathError, parse_health


def parsed(**document: object) -> Manifest:
    return parse_manifest(json.dumps(document).encode())


def checks(*found: object, process_type: str = "web") -> Manifest:
    return parsed(healthchecks={process_type: list(found)})


def test_a_startup_check_has_dokku_s_defaults() -> None:
    (check,) = checks({"path": "/up"}).checks["web"]
    assert check == Check(path="/up", attempts=3, timeout=5.0, wait=5.0)


def test_everything_a_startup_check_may_say_is_understood() -> None:
    found = checks(
        {
            "type": "startup",
            "name": "polls",
            "path": "/up",
            "attempts": 7,
            "timeout": 2,
            "wait": 0.5,
            "initialDelay": 1,
            "content": "ready",
            "uptime": 4,
            "warn": True,
            "port": 5000,
            "httpHeaders": [
                {"name": "Host", "value": "example.com"},
                {"name": "X-Probe", "value": "1"},
            ],
        }
    )
    assert found.notes == ()
    assert found.checks["web"] == (
        Check(
            name="polls",
            path="/up",
            host="example.com",
            headers={"x-probe": "1"},
            content="ready",
            uptime=4.0,
            attempts=7,
            timeout=2.0,
            wait=0.5,
            initial_delay=1.0,
            is_warning=True,
        ),
    )


@pytest.mark.parametrize(
    ("check", "process_type", "why"),
    [
        ({"type": "liveness"}, "web", "a liveness check needs a path or a command"),
        ({"type": "readiness"}, "web", "a readiness check needs a path or a command"),
        (
            {"type": "readiness", "command": "true"},
            "worker",
            "only web gets requests, so only web is asked whether it is ready",
        ),
        ({"command": "true", "path": "/"}, "web", "a check has a path or a command, not both"),
        ({"path": "/", "port": 9000}, "web", "it asks port 9000, and web has only $PORT"),
        ({"path": "/"}, "worker", "it asks a port, and only web has one"),
    ],
)
def test_what_cannot_be_asked_is_left_out_and_said(
    check: object, process_type: str, why: str
) -> None:
    found = checks(check, process_type=process_type)
    assert found.checks[process_type] == ()
    (note,) = found.notes
    assert note.shown == f"healthchecks.{process_type}[0] is left out: {why}."


def test_web_may_be_asked_whether_it_is_ready_for_requests() -> None:
    found = checks({"type": "readiness", "path": "/ready", "wait": 2}, process_type="web")
    assert found.notes == ()
    assert found.readiness["web"] == (Check(path="/ready", attempts=3, timeout=5.0, wait=2.0),)
    assert found.checks["web"] == found.liveness["web"] == ()


def test_workers_may_have_to_run_for_a_while() -> None:
    (check,) = checks({"type": "startup", "uptime": 10}, process_type="worker").checks["worker"]
    assert check.uptime == 10.0


def test_a_check_may_be_a_command_of_any_process_type() -> None:
    words = {"type": "startup", "command": ["bin/check", "a b"], "timeout": 2}
    line = {"type": "liveness", "command": "test -e /tmp/alive", "attempts": 1, "wait": 9}
    found = checks(words, line, process_type="worker")
    assert found.notes == ()
    assert found.checks["worker"] == (
        Check(command="bin/check 'a b'", attempts=3, timeout=2.0, wait=5.0),
    )
    assert found.liveness["worker"] == (
        Check(command="test -e /tmp/alive", attempts=1, timeout=5.0, wait=9.0),
    )


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(AppJsonChecksError) as raised:
        parsed(
            healthchecks={
                "web": [
                    {"path": "up", "attempts": 0, "timeout": "5", "typo": 1},
                    {"type": "sometimes"},
                    3,
                    {"httpHeaders": [{"name": "A:", "value": "b"}]},
                    {"command": ["true", 1]},
                    {"command": "echo \0"},
                    {"command": ["echo", "\ud800"]},
                ],
                "worker": {},
            },
            formation={"worker": {"overlap": "no"}},
        )
    assert tuple(problem.shown for problem in raised.value.problems) == (
        "healthchecks.web[0].typo is not known.",
        "healthchecks.web[0].path is not a path that begins with /.",
        "healthchecks.web[0].attempts is less than 1.",
        "healthchecks.web[0].timeout is not a number from 0 to 3600.",
        "healthchecks.web[1].type is none of startup, liveness, readiness.",
        "healthchecks.web[2] is not an object.",
        "healthchecks.web[3].httpHeaders is not a list of name and value.",
        "healthchecks.web[4].command is neither a text nor a list of texts.",
        "healthchecks.web[5].command has a character that no program can be given.",
        "healthchecks.web[6].command has a character that no program can be given.",
        "healthchecks.worker is not a list of at most 20 checks.",
        "formation.worker.overlap is neither true nor false.",
    )
    assert int(raised.value.exit_code) == 65


def test_what_may_overlap_stands_in_the_formation() -> None:
    found = parsed(formation={"worker": {"quantity": 2, "overlap": True}, "web": {"quantity": 1}})
    assert found.overlap == {"worker": True}


def test_an_app_json_that_says_nothing_of_it_is_no_business_of_ours() -> None:
    assert parse_manifest(b"{ not json") == Manifest()
    assert parse_manifest(b"[]") == Manifest(checks={}, overlap={})
    with pytest.raises(AppJsonChecksError, match="health checks"):
        parse_manifest(b'{"healthchecks": ')


def test_the_highest_layer_that_has_one_counts_and_no_link_is_followed(tmp_path: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    for layer, said in ((low, True), (high, False)):
        layer.mkdir()
        (layer / "app.json").write_text(json.dumps({"formation": {"worker": {"overlap": said}}}))
    assert read_manifest([low, high]).overlap == {"worker": False}
    assert read_manifest([low]).overlap == {"worker": True}
    assert read_manifest([]) == Manifest()
    (high / "app.json").unlink()
    (high / "app.json").symlink_to(low / "app.json")
    with pytest.raises(AppJsonChecksError):
        read_manifest([low, high])


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("/healthz", "localhost", "/healthz"),
        ("//www.example.com/up?full=1", "www.example.com", "/up?full=1"),
        ("//[::1]:80/", "[::1]:80", "/"),
    ],
)
def test_health_is_a_path_with_or_without_a_name(text: str, host: str, path: str) -> None:
    assert parse_health(text) == Check(path=path, host=host)


def test_health_may_be_the_port_alone() -> None:
    assert parse_health("port") is None


@pytest.mark.parametrize(
    "text", ["healthz", "", "/a b", "/a\r\nX: 1", "http://a/", "//a b/", "///", "/ä"]
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(HealthPathError) as raised:
        parse_health(text)
    assert "is no path of an app" in raised.value.brief
    assert "    --health //www.example.com/healthz\n" in raised.value.resolution
