"""front_config: the door says who asks, and the switch makes of it what apps know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from runner.caddy_config import dial
from runner.engines.base import Address
from runner.router_log.rules import RequestRules
from runner.supervision.front_config import (
    KEEP_ALIVE,
    Server,
    choice_server,
    door_handler,
    switch_errors,
    switch_handler,
)


def routes() -> list[dict[str, Any]]:
    """Of the door, for what is no WebSocket; whose own comes first."""
    handler = door_handler(Path("/run/x"), RequestRules())
    return cast("list[dict[str, Any]]", handler["routes"])[1:]


def a_server(number: int) -> Server:
    return Server(
        inside=Address(host=f"10.0.2.{number}", port=5000),
        outside=Address(host="127.0.0.1", port=4000 + number),
    )


ONE, TWO, THREE = (a_server(number) for number in (1, 2, 3))


def test_the_door_knows_no_container_and_says_who_asks() -> None:
    kept, fresh = (route["handle"][0] for route in routes())
    for handler in (kept, fresh):
        assert handler["upstreams"] == [{"dial": "unix//run/x/in.sock"}]
        assert handler["headers"] == {
            "request": {
                "set": {
                    "Slugkit-For": ["{http.request.remote.host}"],
                    "Slugkit-Proto": ["{http.request.scheme}"],
                    "Slugkit-Host": ["{http.request.hostport}"],
                }
            }
        }


def test_only_what_may_be_sent_twice_goes_over_a_connection_that_is_kept() -> None:
    kept, fresh = routes()
    assert fresh["match"] == [{"not": kept["match"]}]
    assert kept["match"] == [
        {
            "method": ["GET", "HEAD", "OPTIONS"],
            "not": [{"header": {"Content-Length": ["*"]}}],
        }
    ]
    assert "enabled" not in kept["handle"][0]["transport"]["keep_alive"]
    assert fresh["handle"][0]["transport"]["keep_alive"] == {"enabled": False}


def test_who_would_like_http_2_and_takes_1_goes_by_the_switch() -> None:
    """There another container is asked when one has ended (proven with Caddy 2.6.2)."""
    handler = cast("Any", door_handler(Path("/run/x"), RequestRules()))
    (upgrade,) = handler["routes"][0]["match"]
    assert upgrade["header"] == {"Connection": ["Upgrade"]}
    assert {"header": {"Upgrade": ["h2c"]}} in upgrade["not"]


def test_the_switch_takes_the_door_s_word_for_who_asks() -> None:
    handler = switch_handler([ONE], RequestRules())
    assert handler["headers"] == {
        "request": {
            "set": {
                "X-Forwarded-For": ["{http.request.header.Slugkit-For}"],
                "X-Forwarded-Proto": ["{http.request.header.Slugkit-Proto}"],
                "X-Forwarded-Host": ["{http.request.header.Slugkit-Host}"],
            },
            "delete": ["Slugkit-*"],
        }
    }
    transport = handler["transport"]
    assert isinstance(transport, dict)
    assert transport["keep_alive"] == {"idle_timeout": KEEP_ALIVE}


def test_while_no_container_answers_the_switch_refuses() -> None:
    assert switch_handler([], RequestRules())["handler"] != "reverse_proxy"


def test_each_container_gets_its_share_of_the_websockets() -> None:
    found = cast("Any", choice_server([ONE, TWO, THREE], Path("/run/x")))
    choose, name = found["routes"][0]["handle"]
    assert name["headers"] == {"Slugkit-Container": ["{slug_run.chosen}"]}
    chosen = []
    for number in range(256):
        matching = [
            each["outputs"][0]
            for each in choose["mappings"]
            if re.match(each["input_regexp"], f"{number:02x}9720e0-6d71-41df")
        ]
        assert len(matching) == 1
        chosen += matching
    assert [chosen.count(dial(each.outside)) for each in (ONE, TWO, THREE)] == [86, 85, 85]


def test_no_container_is_named_while_none_answers() -> None:
    found = cast("Any", choice_server([], Path("/run/x")))
    assert found["routes"][0]["handle"][-1] == {"handler": "static_response"}


def test_a_lone_container_is_never_left_out_and_asked_once() -> None:
    handler = switch_handler([ONE], RequestRules())
    assert handler["upstreams"] == [{"dial": "10.0.2.1:5000"}]
    assert "health_checks" not in handler
    assert "retries" not in str(handler)
    assert switch_errors([ONE], RequestRules()) == []


def test_only_what_no_container_has_seen_is_offered_to_others() -> None:
    """And with a body only if none was dialled: that has closed it."""
    whole, with_body = cast("Any", switch_errors([ONE, TWO], RequestRules()))
    said = [next(iter(each["vars_regexp"].values()))["pattern"] for each in whole["match"]]
    assert said == [*["^dial .*(refused|no route to host|unreachable)"] * 2,
                    *["^no upstreams available$"] * 2]  # fmt: skip
    without_body = [{"header": {"Content-Length": ["0"]}},
                    {"method": ["GET", "HEAD", "OPTIONS"],
                     "not": [{"header": {"Content-Length": ["*"]}}]}]  # fmt: skip
    rest = [{name: each[name] for name in each if name != "vars_regexp"} for each in whole["match"]]
    assert rest == without_body * 2
    assert [list(each["vars_regexp"].values()) for each in with_body["match"]] == [
        [{"pattern": "^no upstreams available$"}]
    ]
    retries = []
    for each in (whole, with_body):
        (proxy,) = each["handle"][0]["routes"][0]["handle"]
        assert proxy["load_balancing"]["retry_match"] == [{"method": []}]
        assert "health_checks" not in proxy
        retries.append(proxy["load_balancing"]["retries"])
    assert retries == [20, 0]
