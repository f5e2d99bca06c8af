"""What door and switch (``front``) are told: the configurations of two Caddys, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.values import value
from runner.caddy_config import FLUSH_INTERVAL, caddy_handler, dial, whole_config
from runner.engines.base import Address
from runner.router_log.rules import (
    ASKS_TO_COMPRESS,
    RequestRules,
    marking,
    noting,
    skipping,
    transport,
)
from runner.supervision.offers import offers

IN = "in.sock"  # where the switch takes requests
CHOICE = "choice.sock"  # where it says which container a WebSocket may go to
# Kept shorter than any server keeps them (gunicorn: 2 s), so that none ends as it is used again;
# and a container that is being drained has no connection soon after its last answer.
KEEP_ALIVE = 1_000_000_000  # nanoseconds
DOOR_KEEP_ALIVE = 60_000_000_000  # nanoseconds; less than the two minutes of the switch
MOST_KEPT = 256
# While the switch is started again, requests wait for it.
_PATIENCE = {"try_duration": "15s", "try_interval": "20ms"}

# On a unix socket a Caddy does not know who asks, and removes X-Forwarded-*. So the door says it
# in headers of our own, which it takes from nobody, and the switch makes them what apps know.
_FOR = "Slugkit-For"
_CARRIED = {
    "X-Forwarded-For": (_FOR, "{http.request.remote.host}"),
    "X-Forwarded-Proto": ("Slugkit-Proto", "{http.request.scheme}"),
    "X-Forwarded-Host": ("Slugkit-Host", "{http.request.hostport}"),
}
# No client's reaches a Caddy or the app.
_OURS = "Slugkit-*"
_STRIP = {"handler": "headers", "request": {"delete": [_OURS]}}

_CHOSEN = "Slugkit-Container"
_SHARES = 256  # more than there are containers of an app

# A container that failed a request, refused it for one, is left out for so long while others are
# there. Mostly the switch is told of its end sooner.
_LEFT_OUT = {"fail_duration": 250_000_000, "max_fails": 1}  # nanoseconds


@value
class Server:
    """Where a web container takes requests."""

    inside: Address
    """in the app's own network, where the switch is"""
    outside: Address
    """from this machine, where the door is"""


def door_config(
    listen: Address, directory: Path, *, admin_socket: Path, rules: RequestRules
) -> Mapping[str, object]:
    """Everything the door is told."""
    # What comes to the switch is logged there; here, what does not.
    first = [*noting(rules), *skipping(rules, skip=True), *marking(listen.port)]
    return whole_config(
        listen=dial(listen),
        handlers=[_STRIP, *first, door_handler(directory, rules)],
        admin_socket=admin_socket,
        rules=rules,
    )


def switch_config(
    servers: Sequence[Server], directory: Path, *, admin_socket: Path, rules: RequestRules
) -> Mapping[str, object]:
    """Everything the switch is told while these containers answer."""
    client = f"{{http.request.header.{_FOR}}}"
    return whole_config(
        listen=f"unix/{directory / IN}",
        handlers=[*noting(rules, client=client), switch_handler(servers, rules)],
        admin_socket=admin_socket,
        rules=rules,
        errors=switch_errors(servers, rules),
        others={"choice": choice_server(servers, directory)},
    )


def door_handler(directory: Path, rules: RequestRules) -> dict[str, object]:
    """What the door does with a request.

    What has no body and may be asked twice goes over connections that are kept: should the switch
    have closed one in this moment, Go's transport sends it again by itself. Whatever else has a
    connection of its own, which costs a third of a millisecond.

    A WebSocket would end whenever the switch is told of a change. So the switch is only asked
    which container may have it, and the door, which is never told anything, goes there itself.
    """
    inside = directory / IN
    has_body = {"header": {"Content-Length": ["*"]}}
    may_be_repeated = {"method": ["GET", "HEAD", "OPTIONS"], "not": [has_body]}
    # ``marking`` leaves nothing else in this header. Java's clients ask for HTTP/2 with each
    # request, and take HTTP/1.1: past the switch nobody would look for another container.
    upgrade = {
        "method": ["GET"],
        "header": {"Connection": ["Upgrade"]},
        "not": [has_body, {"header": {"Upgrade": ["h2c"]}}],
    }
    return {
        "@id": "web",
        "handler": "subroute",
        "routes": [
            {"match": [upgrade], "handle": [_past_switch(directory, rules)], "terminal": True},
            {"match": [may_be_repeated], "handle": [_to_switch(inside, keeps=True)]},
            {
                "match": [{"not": [may_be_repeated]}],
                "handle": [_to_switch(inside, keeps=False)],
            },
        ],
    }


def _to_switch(inside: Path, *, keeps: bool) -> dict[str, object]:
    alive = {"idle_timeout": DOOR_KEEP_ALIVE, "max_idle_conns_per_host": MOST_KEPT}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"unix/{inside}"}],
        "load_balancing": _PATIENCE,
        "headers": {"request": {"set": {ours: [value] for ours, value in _CARRIED.values()}}},
        "flush_interval": FLUSH_INTERVAL,
        "transport": {
            "protocol": "http",
            "compression": ASKS_TO_COMPRESS,
            "keep_alive": alive if keeps else {"enabled": False},
        },
    }


def _past_switch(directory: Path, rules: RequestRules) -> dict[str, object]:
    straight = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{{http.reverse_proxy.header.{_CHOSEN}}}"}],
        "flush_interval": FLUSH_INTERVAL,
        "transport": _transport(rules),
    }
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"unix/{directory / CHOICE}"}],
        "rewrite": {"method": "HEAD"},  # a body, should there be one, is left for the container
        "load_balancing": _PATIENCE,
        "handle_response": [
            {
                "match": {"headers": {_CHOSEN: ["*"]}},
                "routes": [{"handle": [*skipping(rules, skip=False), straight]}],
            },
            # Nobody answers: the switch says so, and why.
            {"routes": [{"handle": [_to_switch(directory / IN, keeps=False)]}]},
        ],
    }


def choice_server(servers: Sequence[Server], directory: Path) -> Mapping[str, object]:
    """Names one of these to whoever asks, at random; says nothing while there is none."""
    shares = [f"{number:02x}" for number in range(_SHARES)]
    choose = {
        "@id": "choice",
        "handler": "map",
        "source": "{http.request.uuid}",
        "destinations": ["{slug_run.chosen}"],
        "mappings": [
            {
                "input_regexp": f"^({'|'.join(shares[number :: len(servers)])})",
                "outputs": [dial(server.outside)],
            }
            for number, server in enumerate(servers)
        ],
    }
    name: dict[str, object] = {"handler": "static_response"}
    if servers:
        name["headers"] = {_CHOSEN: ["{slug_run.chosen}"]}
    return {
        "listen": [f"unix/{directory / CHOICE}"],
        "routes": [{"handle": [choose, name]}],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
    }


def switch_handler(servers: Sequence[Server], rules: RequestRules) -> dict[str, object]:
    """What the switch does with a request while these containers answer.

    It goes to the one with the fewest under way. One that has ended a moment ago refuses it, and
    has the fewest: so that is left out for a moment, and the request is offered to the others
    (``switch_errors``).
    """
    handler = _to_containers(servers, rules)
    if len(servers) > 1:
        handler["health_checks"] = {"passive": _LEFT_OUT}
    return handler


def switch_errors(servers: Sequence[Server], rules: RequestRules) -> Sequence[Mapping[str, object]]:
    """What the switch does with a request that went wrong, before the client is told."""
    if len(servers) < 2:
        return []
    handler = _to_containers(servers, rules)
    del handler["@id"]
    return offers(handler, rules)


def _to_containers(servers: Sequence[Server], rules: RequestRules) -> dict[str, object]:
    handler = caddy_handler([server.inside for server in servers], rules)
    if not servers:
        return handler
    carried = {
        "set": {name: [f"{{http.request.header.{ours}}}"] for name, (ours, _) in _CARRIED.items()},
        "delete": [_OURS],
    }
    return {
        **handler,
        "load_balancing": {"selection_policy": {"policy": "least_conn"}},
        "headers": {"request": carried},
        "transport": _transport(rules),
    }


def _transport(rules: RequestRules) -> Mapping[str, object]:
    """How both speak with a container."""
    return {**transport(rules), "keep_alive": {"idle_timeout": KEEP_ALIVE}}
