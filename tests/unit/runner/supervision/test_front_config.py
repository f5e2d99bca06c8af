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
    choice_server,
    door_handler,
    switch_handler,
)


def routes() -> list[dict[str, Any]]:
    """Of the door, for what is no WebSocket; whose own comes first."""
    handler = door_handler(Path("/run/x"), RequestRules())
    return cast("list[dict[str, Any]]", handler["routes"])[1:]


ONE = Address(host="127.0.0.1", port=4001)
TWO = Address(host="127.0.0.1", port=4002)
THREE = Address(host="127.0.0.1", port=4003)


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
            "delete": ["Slugkit-For", "Slugkit-Proto", "Slugkit-Host"],
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
    assert [chosen.count(dial(each)) for each in (ONE, TWO, THREE)] == [86, 85, 85]


def test_no_container_is_named_while_none_answers() -> None:
    found = cast("Any", choice_server([], Path("/run/x")))
    assert found["routes"] == [{"handle": [{"handler": "static_response"}]}]
