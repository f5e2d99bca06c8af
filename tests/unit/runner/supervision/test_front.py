"""front: the door says who asks, and the switch makes of it what apps know."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from runner.engines.base import Address
from runner.router_log.rules import RequestRules
from runner.supervision.front import KEEP_ALIVE, door_handler, switch_handler


def routes() -> list[dict[str, Any]]:
    """Of the door."""
    handler = door_handler(Path("/run/x/in.sock"))
    assert handler["@id"] == "web"
    return cast("list[dict[str, Any]]", handler["routes"])


ONE = Address(host="127.0.0.1", port=4001)


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
