"""What Caddy is told: its configuration as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.values import NOTHING
from runner.engines.base import Address
from runner.router_log.pages import error_routes
from runner.router_log.rules import (
    NO_SERVER,
    RequestRules,
    access_log,
    logging,
    marking,
    noting,
    transport,
    try_duration,
)

GRACE = "25s"  # requests under way may finish while their containers have 30 seconds to stop
USUAL_RULES = RequestRules()
# Of a request, with its first line. Apps take less: gunicorn 4 KiB of it, and 8 KiB a header.
MOST_ASKED = 32 * 1024  # bytes; Go takes 4 KiB more
# Bytes are passed on almost as they come, so streams and server-sent events work. Not -1, at once:
# with it Caddy 2.6.2 (Debian 12) hands its transport a context that is done without an error when
# servers change, and Go ends the process for that.
FLUSH_INTERVAL = 10_000_000  # nanoseconds
# Caddy says its name before anything else is done; the app's own comes with the app's answer.
_NAMELESS = {"handler": "headers", "response": {"delete": ["Server"]}}


def caddy_config(
    *,
    listen: Address,
    upstreams: Sequence[Address],
    admin_socket: Path,
    rules: RequestRules = USUAL_RULES,
) -> dict[str, object]:
    """Everything Caddy is told. X-Forwarded-* are Caddy's own: a client's are not believed."""
    first = [*noting(rules), *marking(listen.port)]
    return whole_config(
        listen=dial(listen),
        handlers=[*first, caddy_handler(upstreams, rules)],
        admin_socket=admin_socket,
        rules=rules,
    )


def whole_config(
    *,
    listen: str,
    handlers: Sequence[Mapping[str, object]],
    admin_socket: Path,
    rules: RequestRules = USUAL_RULES,
    errors: Sequence[Mapping[str, object]] = (),
    others: Mapping[str, object] = NOTHING,
) -> dict[str, object]:
    """A server at ``listen``, which does the same with every request; ``others`` beside it.

    ``errors`` are routes for what went wrong; the rest is told to the client.
    """
    server = {
        "listen": [listen],
        "routes": [{"handle": [_NAMELESS, *handlers]}],
        "errors": {"routes": [*errors, *error_routes(rules)]},
        **access_log(rules),
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "read_header_timeout": "10s",
        "max_header_bytes": MOST_ASKED,
        "idle_timeout": "2m",
    }
    return {
        "admin": {"listen": f"unix/{admin_socket}", "config": {"persist": False}},
        "logging": logging(rules),
        "apps": {"http": {"grace_period": GRACE, "servers": {"web": server, **others}}},
    }


def caddy_handler(
    upstreams: Sequence[Address], rules: RequestRules = USUAL_RULES
) -> dict[str, object]:
    """What is done with a request: passed to a server, or, while there is none, refused at once."""
    if not upstreams:
        return {"@id": "web", "handler": "error", "error": NO_SERVER, "status_code": 503}
    return {
        "@id": "web",
        "handler": "reverse_proxy",
        "upstreams": [{"dial": dial(address)} for address in upstreams],
        "load_balancing": {
            "selection_policy": {"policy": "least_conn"},
            # A container that ended a moment ago refuses the connection; another one takes the
            # request. Only what no server has seen is sent again: by default Caddy also repeats
            # any GET that was not answered, to one container after the other, for all that time.
            "try_duration": try_duration(rules),
            "try_interval": "5ms",
            "retry_match": [{"method": []}],  # no method is
        },
        "flush_interval": FLUSH_INTERVAL,
        "transport": transport(rules),
    }


def dial(address: Address) -> str:
    """An address as Caddy takes it."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else str(address)
