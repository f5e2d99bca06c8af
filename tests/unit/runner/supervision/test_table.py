"""table: ps as people and programs read it."""

from __future__ import annotations

from datetime import UTC

from runner.supervision.table import containers_document, containers_text

NOW = 1_795_000_000.0
ROWS: list[dict[str, object]] = [
    {"name": "worker.1", "type": "worker", "state": "crashed", "since": NOW - 7200, "size": "eco",
     "crashes": 4, "release": 2},
    {"name": "web.10", "type": "web", "state": "up", "since": NOW - 5, "size": "standard-1x",
     "crashes": 0, "release": 2, "command": "gunicorn app:app"},
    {"name": "web.2", "type": "web", "state": "starting", "since": NOW - 180,
     "size": "standard-1x", "crashes": 0, "release": 2, "command": "gunicorn app:app"},
    {"name": "worker.2", "type": "worker", "state": "down", "since": None, "size": "eco",
     "crashes": 0, "release": 2},
]  # fmt: skip


def test_containers_stand_below_their_type_web_first_in_the_order_of_their_numbers() -> None:
    commands = {"web": "gunicorn app:app", "worker": "python work.py"}
    assert containers_text(ROWS, commands, now=NOW, zone=UTC).splitlines() == [
        "=== web (standard-1x): gunicorn app:app (2)",
        "web.2: starting 11:03:40 (~ 3m ago)",
        "web.10: up 11:06:35 (~ 5s ago)",
        "",
        "=== worker (eco): python work.py (2)",
        "worker.1: crashed 09:06:40 (~ 2h ago, 4 crashes)",
        "worker.2: down",
    ]


def test_a_container_that_is_up_and_not_ready_is_shown_as_that() -> None:
    row = {**ROWS[1], "ready": False}
    shown = "web.10: up 11:06:35 (~ 5s ago, not ready)"
    assert containers_text([row], {}, now=NOW, zone=UTC).splitlines()[1] == shown


def test_programs_get_one_array_with_times_in_utc() -> None:
    found = containers_document(ROWS)
    assert [each["name"] for each in found] == ["web.2", "web.10", "worker.1", "worker.2"]
    assert found[0]["since"] == "2026-11-18T11:03:40.000+00:00"
    assert found[3]["since"] is None


def test_no_containers_are_an_empty_array() -> None:
    assert containers_document(()) == []
