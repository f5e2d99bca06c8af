"""What two looks say together: rates, shares, and times of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from buildpack.support.values import value
from runner.router_log.traffic import percentile
from runner.supervision.table import ordered
from runner.top.look import Look, Row

Times = Mapping[int, int]


@value
class Traffic:
    """Requests between two looks. Times are milliseconds; None without any request."""

    rate: float
    """a second"""
    errors: float
    """of those, what the router had to answer for the app"""
    p50: float | None
    p95: float | None


@value
class Figure:
    """A container. None is what nobody knows, or what does not apply."""

    name: str
    state: str
    release: str
    size: str
    uptime: float | None
    cpu: float | None
    """per cent of one processor"""
    memory: int | None
    memory_limit: int | None
    processes: int | None
    restarts: int
    traffic: Traffic | None


class Order(StrEnum):
    """What containers are sorted by."""

    NAME = "name"
    CPU = "cpu"
    MEMORY = "memory"
    REQUESTS = "requests"
    SLOWEST = "p95"
    UPTIME = "up"
    RESTARTS = "restarts"


def figures_of(before: Look, now: Look) -> tuple[Figure, ...]:
    """Every container of the second look, by name."""
    known = {str(row["name"]): row for row in before.rows}
    seconds = max(now.at - before.at, 1e-3)
    return tuple(
        _figure(row, known.get(str(row["name"])), before, now, seconds) for row in ordered(now.rows)
    )


def total_traffic(before: Look, now: Look) -> Traffic | None:
    """All requests together, also those that no container had."""
    if now.requests is None:
        return None
    seconds = max(now.at - before.at, 1e-3)
    times: dict[int, int] = {}
    errors = 0
    for name, row in now.requests.items():
        known = (before.requests or {}).get(name)
        errors += _growth(row, known, "errors")
        for step, count in _times_between(known, row).items():
            times[step] = times.get(step, 0) + count
    return _traffic(times, errors, seconds)


def sorted_by(figures: Sequence[Figure], order: Order) -> tuple[Figure, ...]:
    """By name as they are; else the largest first, and what is not known last."""
    if order is Order.NAME:
        return tuple(figures)
    return tuple(sorted(figures, key=lambda each: -_weight(each, order)))


def _weight(figure: Figure, order: Order) -> float:
    traffic = figure.traffic
    found = {
        Order.CPU: figure.cpu,
        Order.MEMORY: figure.memory,
        Order.REQUESTS: None if traffic is None else traffic.rate,
        Order.SLOWEST: None if traffic is None else traffic.p95,
        Order.UPTIME: figure.uptime,
        Order.RESTARTS: figure.restarts,
    }[order]
    return -1.0 if found is None else float(found)


def _figure(row: Row, known: Row | None, before: Look, now: Look, seconds: float) -> Figure:
    name, state = str(row["name"]), str(row["state"])
    since, release = _number(row.get("since")), row.get("release")
    has_traffic = name.startswith("web.") and now.requests is not None
    uptime = None if since is None else max(0.0, now.clock - since)
    return Figure(
        name=name,
        state=state,
        release="" if release is None else f"v{release}",
        size=str(row.get("size") or ""),
        uptime=uptime,
        cpu=_cpu(row, known, seconds, uptime),
        memory=_whole(row.get("memory_bytes")),
        memory_limit=_whole(row.get("memory_limit")),
        processes=_whole(row.get("processes")),
        restarts=_whole(row.get("restarts")) or 0,
        traffic=_traffic_of(name, before, now, seconds) if has_traffic else None,
    )


def _cpu(row: Row, known: Row | None, seconds: float, uptime: float | None) -> float | None:
    spent = _number(row.get("cpu_seconds"))
    if spent is None:
        return None
    earlier = None if known is None else _number(known.get("cpu_seconds"))
    if earlier is None or spent < earlier:  # another container by now
        is_young = uptime is not None and 0 < uptime <= seconds + 1
        earlier, seconds = 0.0, uptime if is_young and uptime else 0.0
    return 100 * (spent - earlier) / seconds if seconds else None


def _traffic_of(name: str, before: Look, now: Look, seconds: float) -> Traffic:
    row, known = (now.requests or {}).get(name, {}), (before.requests or {}).get(name)
    return _traffic(_times_between(known, row), _growth(row, known, "errors"), seconds)


def _traffic(times: Times, errors: int, seconds: float) -> Traffic:
    return Traffic(
        rate=sum(times.values()) / seconds,
        errors=errors / seconds,
        p50=percentile(times, 0.5),
        p95=percentile(times, 0.95),
    )


def _times_between(known: Row | None, row: Row) -> Times:
    """The requests that were counted in between; all, where a new supervisor counts anew."""
    now, earlier = _times(row), {} if known is None else _times(known)
    if any(now.get(step, 0) < count for step, count in earlier.items()):
        return now
    return {step: count - earlier.get(step, 0) for step, count in now.items()}


def _times(row: Row) -> Times:
    found = row.get("times")
    return {int(step): count for step, count in found.items()} if isinstance(found, dict) else {}


def _growth(row: Row, known: Row | None, name: str) -> int:
    now = _whole(row.get(name)) or 0
    earlier = 0 if known is None else _whole(known.get(name)) or 0
    return now - earlier if now >= earlier else now


def _number(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) else None


def _whole(found: object) -> int | None:
    return int(found) if isinstance(found, int | float) else None
