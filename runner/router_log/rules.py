"""How the load balancer treats requests, in the words of Caddy's configuration. Values only.

Caddy 2.6 (Debian 12) has no way to add a field to its access log. What it does log is the user
that was authenticated, a placeholder which nobody sets here: so `map` does, to what we want to
know. It is worked out when the line is written, so it holds what became of the request.
"""

from __future__ import annotations

from collections.abc import Mapping

from buildpack.support.values import value

SEPARATOR = "|"
NO_SERVER = "no web container"
LONGEST_SEARCH = 5.0  # seconds
# Of a container's answer; Caddy takes them into memory whole, ten megabytes if nobody says less.
MOST_HEADERS = 512 * 1024  # bytes
# Where a client does not, Go would ask for a compressed answer, and unpack it again.
ASKS_TO_COMPRESS = False
# Of Caddy's log. One about the longest request that is taken (caddy_config), whose every byte is
# written as \\ufffd, is shorter.
LONGEST_LINE = 512 * 1024  # bytes
REQUEST_ID = "{http.request.header.X-Request-Id}"

AGAIN = "again: "
_AGAIN = "http.vars.slug_run_again"

# As Heroku: an id that a client brings is kept if it looks like one.
_GOOD_ID = "^[A-Za-z0-9+/=-]{20,200}$"
_ASKS_TO_UPGRADE = "(?i)(^|,)[ \\t]*upgrade[ \\t]*(,|$)"
_VIA = "1.1 slug-run"

# Who asks: the other end of the connection. Behind another Caddy that is what it says.
REMOTE = "{http.request.remote.host}"


@value
class RequestRules:
    """How requests are treated."""

    timeout: float | None = None
    """Seconds a web container may take to begin its answer; None: for ever."""
    log: bool = False
    """Whether each request is told of."""


def marking(port: int) -> list[Mapping[str, object]]:
    """Marks each request with what Heroku's router says of it to the app."""
    marks = {
        # An id of several headers does not look like one: exactly one reaches the app.
        "X-Request-Id": ["{slug_run.request_id}"],
        "X-Request-Start": ["{time.now.unix_ms}"],
        "X-Forwarded-Port": [str(port)],
        "Connection": ["{slug_run.connection}"],
    }
    identify = {
        "handler": "map",
        "source": REQUEST_ID,
        "destinations": ["{slug_run.request_id}"],
        "mappings": [{"input_regexp": _GOOD_ID, "outputs": ["${0}"]}],
        "defaults": ["{http.request.uuid}"],
    }
    # What a client lists there is taken out on the way to the app: none of ours may be.
    keep = {
        "handler": "map",
        "source": "{http.request.header.Connection}",
        "destinations": ["{slug_run.connection}"],
        "mappings": [{"input_regexp": _ASKS_TO_UPGRADE, "outputs": ["Upgrade"]}],
        "defaults": [""],
    }
    mark = {"handler": "headers", "request": {"set": marks, "add": {"Via": [_VIA]}}}
    return [identify, keep, mark]


def noting(rules: RequestRules, *, client: str = REMOTE) -> list[Mapping[str, object]]:
    """Notes for the log what ``handled.py`` reads, in its order."""
    if not rules.log:
        return []
    noted = (
        client,
        "{http.reverse_proxy.upstream.hostport}",
        "{http.reverse_proxy.upstream.latency_ms}",  # until it began to answer; empty: never
        "{http.reverse_proxy.upstream.duration_ms}",  # until it had answered; empty: cut off
        "{http.reverse_proxy.duration_ms}",  # with all tries before
        REQUEST_ID,
        f"{{{_AGAIN}}}{{http.error.message}}",  # last: it may hold the separator
    )
    return [
        {
            "handler": "map",
            "source": "",
            "destinations": ["{http.auth.user.id}"],
            "defaults": [SEPARATOR.join(noted)],
        }
    ]


def noting_again(rules: RequestRules) -> list[Mapping[str, object]]:
    """Notes that the error there is was a container's that was asked before."""
    return [{"handler": "vars", "slug_run_again": AGAIN}] if rules.log else []


def skipping(rules: RequestRules, *, skip: bool) -> list[Mapping[str, object]]:
    """Whether what comes now is left out of the log: another Caddy tells of it."""
    return [{"handler": "vars", "skip_log": skip}] if rules.log else []


def transport(rules: RequestRules) -> Mapping[str, object]:
    """How Caddy speaks with a web container."""
    found: dict[str, object] = {
        "protocol": "http",
        "dial_timeout": try_duration(rules),
        "max_response_header_size": MOST_HEADERS,
        "compression": ASKS_TO_COMPRESS,
    }
    if rules.timeout is not None:
        found["response_header_timeout"] = nanoseconds(rules.timeout)
    return found


def try_duration(rules: RequestRules) -> int:
    """How long a container is looked for. Never so long that one which is slow is asked twice."""
    longest = LONGEST_SEARCH if rules.timeout is None else min(LONGEST_SEARCH, rules.timeout)
    return nanoseconds(longest)


def access_log(rules: RequestRules) -> Mapping[str, object]:
    """What a server of Caddy's is told about its access log."""
    return {"logs": {}} if rules.log else {}


def logging(rules: RequestRules) -> Mapping[str, object]:
    """Caddy's logs: its errors, and requests if they are told of. All to its standard error."""
    plain = {"format": "json"}
    errors: dict[str, object] = {"level": "ERROR", "encoder": plain}
    if not rules.log:
        return {"logs": {"default": errors}}
    # The line of a request has its error as well. Headers are nobody's business.
    left_out = {"request>headers": {"filter": "delete"}, "resp_headers": {"filter": "delete"}}
    requests = {
        "level": "INFO",
        "include": ["http.log.access"],
        "writer": {"output": "stderr"},
        "encoder": {"format": "filter", "wrap": plain, "fields": left_out},
    }
    errors["exclude"] = ["http.log.access", "http.log.error"]
    return {"logs": {"default": errors, "requests": requests}}


def nanoseconds(seconds: float) -> int:
    """A duration as Caddy takes it without a unit."""
    return round(seconds * 1_000_000_000)
