"""``slug-run ps`` as text, and as what JSON is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from runner.formation import WEB

Containers = Sequence[Mapping[str, object]]


def containers_document(containers: Containers) -> Containers:
    """For programs: a container an object, times as ISO 8601 in UTC."""
    return [{**each, "since": _utc(each["since"])} for each in ordered(containers)]


def containers_text(
    containers: Containers, commands: Mapping[str, str], *, now: float, zone: tzinfo | None = None
) -> str:
    """A heading for each process type, a line for each container, as Heroku prints them."""
    found = ordered(containers)
    lines: list[str] = []
    for name in dict.fromkeys(str(each["type"]) for each in found):
        here = [each for each in found if each["type"] == name]
        sizes = ", ".join(dict.fromkeys(str(each["size"]) for each in here))
        command = commands.get(name) or str(here[0].get("command") or "")
        lines += ["", f"=== {name} ({sizes}): {command} ({len(here)})"]
        lines += [line(each, now, zone) for each in here]
    return "\n".join(lines[1:])


def ordered(containers: Containers) -> Containers:
    """web first, then by name and number."""

    def key(each: Mapping[str, object]) -> tuple[bool, str, int]:
        process_type, _, ordinal = str(each["name"]).rpartition(".")
        return process_type != WEB, process_type, int(ordinal)

    return sorted(containers, key=key)


def line(each: Mapping[str, object], now: float, zone: tzinfo | None) -> str:
    """``web.1: up 12:00:02 (~ 3m ago)``."""
    since = each["since"]
    if not isinstance(since, int | float):
        return f"{each['name']}: {each['state']}"
    moment = datetime.fromtimestamp(since, zone).strftime("%H:%M:%S")
    more = f", {each['crashes']} crashes" if each["state"] == "crashed" else ""
    more += ", not ready" if each["state"] == "up" and each.get("ready") is False else ""
    return f"{each['name']}: {each['state']} {moment} (~ {_ago(now - since)} ago{more})"


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _utc(since: object) -> str | None:
    if not isinstance(since, int | float):
        return None
    return datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds")
