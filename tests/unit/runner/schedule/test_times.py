"""When a task comes due: cron's fields, time zones, and the two nights a year that are odd."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from buildpack.support.errors import ExitCode
from runner.schedule.times import Rhythm, TimesError, next_after, require_times
from runner.schedule.zones import UnknownZoneError, find_zone, require_zone, shown_moment

BERLIN = "Europe/Berlin"


def moment(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    found = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(found.timestamp())


def coming(times: str, zone: str, after: str, until: str) -> list[str]:
    """Its times in between, in UTC."""
    rhythm = Rhythm(times=times, zone=zone)
    found, due = [], next_after(rhythm, moment(after))
    while due is not None and due <= moment(until):
        found.append(datetime.fromtimestamp(due, UTC).strftime("%d %H:%M"))
        due = next_after(rhythm, due)
    return found


@pytest.mark.parametrize(
    ("times", "after", "next_one"),
    [
        ("0 3 * * *", "2026-11-22T03:00", "2026-11-23T03:00"),
        ("0 3 * * *", "2026-11-22T02:59:59", "2026-11-22T03:00"),
        ("*/15 * * * *", "2026-11-22T03:01", "2026-11-22T03:15"),
        ("30 9 * * MON-FRI", "2026-11-20T10:00", "2026-11-23T09:30"),
        ("0 0 1 JAN *", "2026-11-22T00:00", "2027-01-01T00:00"),
        ("0 0 29 2 *", "2026-11-22T00:00", "2028-02-29T00:00"),
        ("0 12 L * *", "2026-11-22T00:00", "2026-11-30T12:00"),
        ("0 0 13 * 5", "2026-11-22T00:00", "2026-11-27T00:00"),
        ("@hourly", "2026-11-22T03:00", "2026-11-22T04:00"),
        ("@daily", "2026-11-22T03:00", "2026-11-23T00:00"),
        ("@weekly", "2026-11-22T00:00", "2026-11-29T00:00"),
        ("@monthly", "2026-11-22T00:00", "2026-12-01T00:00"),
        ("@yearly", "2026-11-22T00:00", "2027-01-01T00:00"),
    ],
)
def test_next_after(times: str, after: str, next_one: str) -> None:
    assert next_after(Rhythm(times=times, zone="UTC"), moment(after)) == moment(next_one)


def test_a_zone_decides_when() -> None:
    after = moment("2026-11-22T00:00")
    assert next_after(Rhythm(times="0 3 * * *", zone=BERLIN), after) == moment("2026-11-22T02:00")
    assert next_after(
        Rhythm(times="0 3 * * *", zone="America/New_York"), after
    ) == moment("2026-11-22T08:00")  # fmt: skip


def test_an_hour_that_is_left_out_comes_at_its_end() -> None:
    """On 28 March 2027 it is never 02:30 in Berlin."""
    assert coming("30 2 * * *", BERLIN, "2027-03-27T00:00", "2027-03-29T12:00") == [
        "27 01:30", "28 01:00", "29 00:30",
    ]  # fmt: skip


def test_two_times_of_an_hour_that_is_left_out_are_one() -> None:
    assert coming("15,45 2 * * *", BERLIN, "2027-03-27T12:00", "2027-03-28T12:00") == ["28 01:00"]


def test_an_hour_that_comes_twice_is_run_once() -> None:
    """On 25 October 2026 it is 02:30 in Berlin twice: at 00:30 and at 01:30 UTC."""
    assert coming("30 2 * * *", BERLIN, "2026-10-24T12:00", "2026-10-26T12:00") == [
        "25 00:30", "26 01:30",
    ]  # fmt: skip


def test_from_within_the_second_of_two_equal_hours_nothing_is_due_in_the_past() -> None:
    rhythm = Rhythm(times="45 2 * * *", zone=BERLIN)
    second = moment("2026-10-25T01:30")  # the second 02:30
    assert next_after(rhythm, second) == moment("2026-10-26T01:45")


def test_every_quarter_of_an_hour_goes_by_the_clock_on_the_wall() -> None:
    assert len(coming("*/15 * * * *", BERLIN, "2026-10-24T22:00", "2026-10-25T23:00")) == 100
    assert len(coming("*/15 * * * *", BERLIN, "2027-03-27T23:00", "2027-03-28T22:00")) == 92


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0 3 * *", "It has 4 fields; five are needed."),
        ("0 0 3 * * *", "It has 6 fields; five are needed."),
        ("", "It has 0 fields; five are needed."),
        (
            "61 25 * * *",
            "The minute is '61'. Allowed: 0 to 59.\nThe hour is '25'. Allowed: 0 to 23.\n"
            "Also lists (1,15), ranges (1-5) and steps (*/10).",
        ),
        (
            "0 0 * * FRY",
            "The day of the week is 'FRY'. Allowed: 0 to 7 (0 and 7 are Sunday), or SUN to SAT.\n"
            "Also lists (1,15), ranges (1-5) and steps (*/10).",
        ),
        ("0 0 30 2 *", "No such day ever comes."),
        ("x" * 300, "It is longer than 200 characters."),
        (
            "@reboot",
            "Names there are: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually.",
        ),
    ],
)
def test_what_does_not_say_when_is_told_by_field(text: str, found: str) -> None:
    with pytest.raises(TimesError) as caught:
        require_times(text)
    assert caught.value.details == found
    assert caught.value.exit_code is ExitCode.USAGE
    assert '"30 3 * * *"' in caught.value.resolution


def test_spaces_are_one_and_names_are_small() -> None:
    assert require_times(" 0  3 *\t* * ") == "0 3 * * *"
    assert require_times("@Daily") == "@daily"


def test_whatever_is_typed_is_taken_or_told() -> None:
    dice = random.Random(5)
    taken = 0
    for _ in range(3000):
        words = (
            "".join(dice.choices("0123456789*/-,#LWMON²", k=dice.randint(1, 5))) for _ in "12345"
        )
        try:
            require_times(" ".join(words))
        except TimesError:
            continue
        taken += 1
    assert require_times("1-5/2,*/7 * L * 1#2")
    assert taken < 3000


@pytest.mark.parametrize("name", ["UTC", BERLIN, "America/Argentina/Ushuaia", "Etc/GMT+5"])
def test_zones_there_are(name: str) -> None:
    assert require_zone(name) == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Berln", BERLIN),
        ("europe/berlin", BERLIN),
        ("berlin", BERLIN),
        ("New York", "America/New_York"),
        ("../../etc/passwd", None),
        ("localtime", None),
        ("", None),
    ],
)
def test_an_unknown_zone_names_the_nearest(name: str, meant: str | None) -> None:
    with pytest.raises(UnknownZoneError) as caught:
        require_zone(name)
    assert caught.value.nearest == meant
    hint = f"Did you mean {meant}? " if meant else ""
    assert caught.value.brief == f"There is no time zone called '{name}'"
    assert caught.value.details == f"{hint}Names are those of the IANA time zone database."


def test_a_zone_that_the_machine_has_lost_is_an_error_not_utc() -> None:
    with pytest.raises(UnknownZoneError):
        find_zone("Atlantis/Capital")


def test_a_moment_is_never_shown_without_its_offset() -> None:
    assert shown_moment(moment("2026-11-22T03:00"), BERLIN) == "2026-11-22 04:00 +01:00"
    assert shown_moment(moment("2026-07-01T03:00"), BERLIN) == "2026-07-01 05:00 +02:00"
    assert shown_moment(moment("2026-11-22T03:00:05"), "UTC") == "2026-11-22 03:00:05 UTC"
