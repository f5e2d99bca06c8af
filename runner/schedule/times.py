"""When a task comes due: cron's five fields, in a time zone, as Debian's cron understands them.

Through changes of daylight saving time cronsim does what that cron does: a time that is left out
comes at the first minute that is there, one that comes twice is run once; tasks with a ``*`` in
minute or hour follow the clock on the wall.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import value
from runner.schedule.zones import in_zone

if TYPE_CHECKING:  # imported for real where an app has tasks
    from cronsim import CronSim

LONGEST = 200  # characters
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7 (0 and 7 are Sunday), or SUN to SAT"),
)
_EXAMPLE = 'Five fields in quotes, minute first, or a name such as @daily:\n\n    "30 3 * * *"'


class TimesError(UsageError):
    """Words that do not say when."""

    id = "schedule-times"

    def __init__(self, text: str, found: str) -> None:
        self.asked, self.found = text, found
        super().__init__(
            f"'{printable(text)}' does not say when to run", details=found, resolution=_EXAMPLE
        )


@value
class Rhythm:
    """When: an expression and the zone it is meant in."""

    times: str
    zone: str

    @property
    def key(self) -> str:
        """Another one for every other rhythm."""
        return f"{self.times} {self.zone}"


def require_times(text: str) -> str:
    """``text`` with single spaces, if it says when. Raises TimesError."""
    words = text.split()
    times = " ".join(words)
    if len(text) > LONGEST:
        raise TimesError(text[:40], f"It is longer than {LONGEST} characters.")
    if times.startswith("@"):
        if times.lower() not in _MACROS:
            raise TimesError(text, f"Names there are: {', '.join(_MACROS)}.")
        return times.lower()
    if len(words) != len(_FIELDS):
        raise TimesError(text, f"It has {_counted(len(words))}; five are needed.")
    _require_fields(text, words)
    if next_after(Rhythm(times=times, zone="UTC"), 0) is None:
        raise TimesError(text, "No such day ever comes.")
    return times


def next_after(rhythm: Rhythm, moment: float) -> int | None:
    """The first time after ``moment`` (seconds since 1970); None if there is none.

    Raises TimesError and UnknownZoneError for a rhythm that was not required before.
    """
    found = _simulation(rhythm, moment)
    try:
        while True:
            # Where an hour comes twice it begins in the first one, which may be over.
            if (due := int(next(found).timestamp())) > moment:
                return due
    except StopIteration:
        return None


def _simulation(rhythm: Rhythm, moment: float) -> CronSim:
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(_MACROS.get(rhythm.times, rhythm.times), in_zone(moment, rhythm.zone))
    except CronSimError as err:
        raise TimesError(rhythm.times, "No such day ever comes.") from err


@lru_cache(maxsize=256)
def _is_field(index: int, word: str) -> bool:
    from datetime import datetime

    from cronsim import CronSim, CronSimError

    fields = ["*"] * len(_FIELDS)
    fields[index] = word
    try:
        CronSim(" ".join(fields), datetime(2000, 1, 1))  # only to be parsed
    except CronSimError:
        return False
    return True


def _require_fields(text: str, words: list[str]) -> None:
    wrong = [
        f"The {name} is '{printable(word)}'. Allowed: {allowed}."
        for index, (word, (name, allowed)) in enumerate(zip(words, _FIELDS, strict=True))
        if not _is_field(index, word)
    ]
    if wrong:
        more = "Also lists (1,15), ranges (1-5) and steps (*/10)."
        raise TimesError(text, "\n".join([*wrong, more]))


def _counted(number: int) -> str:
    return f"{number} field{'' if number == 1 else 's'}"
