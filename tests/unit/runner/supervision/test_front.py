"""front: the door says who asks, and the switch makes of it what apps know."""

from __future__ import annotations

from pathlib import Path

from runner.engines.base import Address
from runner.router_log.rules import RequestRules
from runner.supervision.front import KEEP_ALIVE, door_handler, switch_handler

ONE = Address(host="127.0.0.1", port=4001)


def test_the_door_knows_no_container_and_keeps_no_connection_to_the_switch() -> None:
    handler = door_handler(Path("/run/x/in.sock"))
    assert handler["upstreams"] == [{"dial": "unix//run/x/in.sock"}]
    assert handler["transport"] == {"protocol": "http", "keep_alive": {"enabled": False}}
    assert handler["headers"] == {
        "request": {
            "set": {
                "Slugkit-For": ["{http.request.remote.host}"],
                "Slugkit-Proto": ["{http.request.scheme}"],
                "Slugkit-Host": ["{http.request.hostport}"],
            }
        }
    }


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
