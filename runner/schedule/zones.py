"""Time zones by name, from the machine or, where it has none, from the package tzdata."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from buildpack.support.errors import UsageError, printable

DEFAULT_ZONE = "UTC"
_NOT_EXPLICIT = {"localtime", "posixrules", "Factory"}  # what they mean differs by machine


class UnknownZoneError(UsageError):
    """No time zone has that name."""

    id = "unknown-zone"

    def __init__(self, name: str, names: frozenset[str]) -> None:
        self.name = name
        self.nearest = _nearest(name, names)
        hint = f"Did you mean {self.nearest}? " if self.nearest else ""
        super().__init__(
            f"There is no time zone called '{printable(name)}'",
            details=f"{hint}Names are those of the IANA time zone database.",
            resolution=f"For example:\n\n    --tz {self.nearest or 'Europe/Berlin'}",
        )


def require_zone(name: str) -> str:
    """``name``, if it is a time zone's. Raises UnknownZoneError."""
    if name != DEFAULT_ZONE:
        from zoneinfo import available_timezones

        names = frozenset(available_timezones() - _NOT_EXPLICIT)
        if name not in names:
            raise UnknownZoneError(name, names)
    return name


@lru_cache(maxsize=16)
def find_zone(name: str) -> tzinfo:
    """The zone of a name that was required before. Raises UnknownZoneError if it is lost."""
    if name == DEFAULT_ZONE:
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise UnknownZoneError(name, frozenset()) from err


def in_zone(moment: float, zone: str) -> datetime:
    return datetime.fromtimestamp(moment, find_zone(zone))


def shown_moment(moment: float, zone: str) -> str:
    """``2026-11-23 03:00 +01:00``, with seconds where there are any; never without its offset."""
    found = in_zone(int(moment), zone)
    text = found.strftime("%Y-%m-%d %H:%M:%S" if found.second else "%Y-%m-%d %H:%M")
    offset = found.isoformat()[-6:]
    return f"{text} UTC" if zone == DEFAULT_ZONE else f"{text} {offset}"


def _nearest(name: str, names: frozenset[str]) -> str | None:
    """The zone that was meant: ``berlin`` and ``europe/berlin`` are Europe/Berlin."""
    wanted = name.lower().replace(" ", "_")
    known = sorted(names)
    for each in known:
        if wanted == each.lower():
            return each
    for each in known:
        if wanted == each.rpartition("/")[2].lower():
            return each
    close = difflib.get_close_matches(wanted, [each.lower() for each in known], n=1)
    return next((each for each in known if close and each.lower() == close[0]), None)
