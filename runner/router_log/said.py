"""What Caddy says beside requests, in few words. Imported by every run with a load balancer."""

from __future__ import annotations

import json
from collections.abc import Mapping

from runner.router_log.rules import NO_SERVER

ABORTING = "aborting with incomplete response"
# Said of every answer that breaks off, beside what is told in the line of its request.
_TOLD_OTHERWISE = {ABORTING, "reading from backend"}


def message(line: str) -> str:
    """Caddy's line as one of ours, where requests are not told of; empty: nobody needs to know."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return words_of(entry) if isinstance(entry, dict) else ""


def words_of(entry: Mapping[str, object]) -> str:
    """A line of Caddy's log that is about no request."""
    if entry.get("level") in {"debug", "info"}:
        return ""
    if entry.get("error") == "context canceled":
        return ""  # Caddy 2.6 about its own change of servers, or a client that went away
    if entry.get("msg") in {NO_SERVER, *_TOLD_OTHERWISE}:
        return ""
    return f"{entry.get('msg', '')} {entry.get('error', '')}".strip()
