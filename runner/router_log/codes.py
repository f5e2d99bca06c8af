"""Heroku's H codes, where Caddy's words and the state of the containers prove them.

https://devcenter.heroku.com/articles/error-codes. Not told, because nothing here knows them: H11,
H15 (no limit on idle connections), H16, H22 to H26, H28 and above.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from runner.router_log.handled import Handled
from runner.router_log.rules import NO_SERVER

CLIENT_GONE = 499


class Code(Enum):
    """A code and its words."""

    H10 = "App crashed"
    H12 = "Request timeout"
    H13 = "Connection closed without response"
    H14 = "No web processes running"
    H17 = "Poorly formatted HTTP response"
    H18 = "Server Request Interrupted"
    H19 = "Backend connection timeout"
    H20 = "App not up yet"
    H21 = "Backend connection refused"
    H27 = "Client Request Interrupted"
    H99 = "Platform error"


def is_error(code: Code | None) -> bool:
    """Whether it is anybody's fault but the client's, who went away."""
    return code is not None and code is not Code.H27


class Standing(Protocol):
    """What is known of the containers behind the load balancer."""

    def name_of(self, upstream: str) -> str:
        """Who answers there, or did a moment ago; empty: nobody knows."""

    def why_nobody(self) -> Code:
        """Why no web container takes requests: H10, H14 or H20."""


def determine_code(handled: Handled, broken: str | None, standing: Standing) -> Code | None:
    """What went wrong with a request; None: nothing. ``broken``: why its answer broke off."""
    if handled.error:
        if "/" in handled.upstream:
            return Code.H99  # a unix socket: no container, but another Caddy
        return _code_of_error(handled.error, standing)
    if handled.is_cut_off:
        return Code.H27 if _is_by_client(broken or "") else Code.H18
    return Code.H27 if handled.latency is None and handled.status == 0 else None


def _code_of_error(error: str, standing: Standing) -> Code:
    if error in {NO_SERVER, "no upstreams available"}:
        return standing.why_nobody()
    # Before all others: some quote what the app said, which may be anybody's words.
    if any(each in error for each in _NOT_HTTP):
        return Code.H17
    if _is_by_client(error):
        return Code.H27
    if error.startswith("dial "):
        return _code_of_dialing(error)
    for code, words in _WORDS:
        if any(each in error for each in words):
            return code
    return Code.H99


def _code_of_dialing(error: str) -> Code:
    if error.endswith("timeout"):
        return Code.H19
    return Code.H21 if any(each in error for each in _NOBODY_THERE) else Code.H99


def _is_by_client(error: str) -> bool:
    """Only a client's going cancels a request; and only to a client an answer is written."""
    return "context canceled" in error or error.startswith(("write ", "writing"))


# As the kernel says it.
_NOBODY_THERE = ("refused", "reset by peer", "no route to host", "unreachable")
# As Go's net/http says it.
_NOT_HTTP = (
    *("malformed HTTP", "malformed MIME", "bad Content-Length", "too many transfer"),
    *("response headers exceeded", "too many 1xx"),
)
_WORDS = (
    (Code.H12, ("timeout awaiting response headers",)),
    (Code.H13, ("EOF", "reset by peer", "broken pipe", "closed idle connection", "broken:")),
)
