"""Builds as events."""

from __future__ import annotations

import io
import json

import pytest

from slugc import progress_events
from slugc.progress import packages_in, shown_bytes
from slugc.progress_events import Event, EventProgress, JsonLines, error_event


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    monkeypatch.setattr(progress_events, "timestamp", lambda: "now")
    return []


def test_lines_say_whose_they_are(told: list[Event]) -> None:
    progress = EventProgress(told.append)
    progress.event("phase_started", phase="compile", buildpack="me/mine")
    progress.event("phase_started", phase="report", buildpack="me/mine")  # beside another one
    progress.line("\x1b[31m       Installed 12 packages\x1b[0m")

    whose = {"phase": "compile", "buildpack": "me/mine"}
    assert told[2:] == [
        {"event": "line", "ts": "now", **whose, "text": "       Installed 12 packages"},
        {"event": "packages", "ts": "now", **whose, "count": 12},
    ]


def test_passwords_in_urls_are_told_to_nobody(told: list[Event]) -> None:
    progress = EventProgress(told.append)
    progress.step("Fetching https://me:s3cret@host/x")
    progress.info("from https://me:s3cret@host/x")
    progress.warning("not https://me:s3cret@host/x")

    assert [str(event["text"]).partition("https")[2] for event in told] == ["://***@host/x"] * 3


def test_bytes_are_told_once_a_second(told: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    progress = EventProgress(told.append)
    for count in range(30):
        progress.moved("packed", count)
        progress.moved("fetched", count)
        now += 0.1

    packed = [event["count"] for event in told if event["what"] == "packed"]
    assert packed[0] == 0
    assert 3 <= len(packed) <= 4
    assert len(told) == 2 * len(packed)


def test_a_line_of_json_is_ascii_and_one_line() -> None:
    stream = io.StringIO()
    JsonLines(stream, quiet=False).line("Grüße\u2028 \udcff")

    assert stream.getvalue().isascii()
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue())["text"] == "Grüße\u2028 \udcff"


def test_quiet_means_the_result_alone() -> None:
    stream = io.StringIO()
    lines = JsonLines(stream, quiet=True)
    lines.step("x")
    lines.warning("x")
    lines.event("result", ok=True)

    assert json.loads(stream.getvalue())["event"] == "result"


def test_an_error_as_an_event(told: list[Event]) -> None:
    from slugc.buildpacks.errors import PhaseFailedError

    error = PhaseFailedError("compile", "mine", 3, ["why"])

    assert error_event(error, 65, id=error.id) == {
        "event": "result",
        "ts": "now",
        "ok": False,
        "error": {
            "code": 65,
            "id": "phase-failed",
            "message": error.brief,
            "details": error.details,
            "hint": error.resolution,
            "phase": "compile",
            "buildpack": "mine",
        },
    }


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("       Installed 8 packages in 2 s", 8),
        ("Successfully resolved 1,234 packages", 1234),
        ("added 57 packages, and audited 58 packages in 2s", 57),
        ("1 package", 1),
        ("Installing the packages in uv.lock", None),
        ("version 1.2 packages", None),
        ("12 packagers", None),
    ],
)
def test_packages_are_counted_in_any_buildpacks_words(line: str, count: int | None) -> None:
    assert packages_in(line) == count


def test_sizes() -> None:
    assert [shown_bytes(size) for size in (12, 99_999, 100_000, 12_345_678)] == [
        "0.0 kB",
        "100.0 kB",
        "0.1 MB",
        "12.3 MB",
    ]
