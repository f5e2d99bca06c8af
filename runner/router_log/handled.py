"""A line of Caddy's standard error: a request it has dealt with, or something it has to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from runner.router_log.rules import AGAIN, SEPARATOR
from runner.router_log.said import ABORTING, words_of

SWITCHING_PROTOCOLS = 101
LONGEST_SAID = 1000

_ACCESS = "http.log.access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """A request, and what became of it. Times are milliseconds."""

    method: str
    path: str
    """with its query, as the client sent it"""
    host: str
    client: str
    protocol: str
    request_id: str
    upstream: str
    """who was asked last; empty: nobody"""
    latency: float | None
    """until it began to answer; None: it never did"""
    duration: float | None
    """until it had answered; None: it was cut off"""
    proxied: float
    """with all that was tried before"""
    error: str
    status: int
    size: int

    @property
    def is_cut_off(self) -> bool:
        """Whether it began to answer and did not come to the end."""
        is_begun = not self.error and self.latency is not None
        return is_begun and self.duration is None and self.status != SWITCHING_PROTOCOLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """An answer broke off, for this reason; the line of its request comes next."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something else; empty where nobody needs to know."""

    text: str


def parse_line(line: str) -> Handled | Aborted | Said:
    """What a line of Caddy's means."""
    try:
        entry = json.loads(line)
    except ValueError:
        # Go's last words, or half a line: never as if it were ours, for a path may be in it.
        return Said(text=f"caddy: {line[:LONGEST_SAID]}" if line else "")
    if not isinstance(entry, dict):
        return Said(text="")
    if entry.get("logger") == _ACCESS and isinstance(entry.get("request"), dict):
        return _handled(entry, entry["request"])
    if entry.get("msg") == ABORTING:
        return Aborted(error=str(entry.get("error", "")))
    return Said(text=words_of(entry))


def _handled(entry: Mapping[str, object], request: Mapping[str, object]) -> Handled:
    noted = str(entry.get("user_id", "")).split(SEPARATOR, 6)
    client, upstream, latency, duration, proxied, request_id, error = noted + [""] * (
        7 - len(noted)
    )
    if error.startswith(AGAIN):
        # One that refused it; the next may have answered.
        error = "" if latency else error.removeprefix(AGAIN)
    status = _whole(entry.get("status"))
    if not status and latency and not duration and not error:
        status = SWITCHING_PROTOCOLS  # Caddy 2.6 takes no note of that one
    return Handled(
        method=str(request.get("method", "")),
        path=str(request.get("uri", "")),
        host=str(request.get("host", "")),
        client=client,
        protocol="https" if "tls" in request else "http",
        request_id=request_id,
        upstream=upstream,
        latency=_number(latency),
        duration=_number(duration),
        proxied=_number(proxied) or 0.0,
        error=error,
        status=status,
        size=_whole(entry.get("size")),
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _whole(found: object) -> int:
    return found if isinstance(found, int) else 0
