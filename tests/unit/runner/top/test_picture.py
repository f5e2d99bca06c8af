"""The picture, line for line, at every width it may have."""

from __future__ import annotations

import time

import pytest

from runner.top.figures import Order
from runner.top.look import Look
from runner.top.picture import View, page, screenful
from runner.top.spans import Span, Style, painted
from tests.unit.runner.top.samples import MIB, NOON, absent, look, requests, row


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


BEFORE = look(row("web.1"), row("web.2", cpu_seconds=5.0), row("worker.1"), traffic={})
NOW = look(
    row("web.1", cpu_seconds=10.9),
    row("web.2", cpu_seconds=8.0, memory_bytes=470 * MIB, restarts=3, since=NOON - 90_000),
    row("worker.1", memory_bytes=380 * MIB),
    absent("worker.2", restarts=12),
    row("run.8213", size="", memory_limit=None, since=NOON - 70),
    at=2.0,
    traffic={"web.1": requests(18, 340), "web.2": requests(1400, 12, 3)},
)


def texts(
    rows: int, columns: int, view: View | None = None, *, now: Look = NOW, color: bool = False
) -> list[str]:
    lines, _ = screenful(BEFORE, now, view or View(), rows, columns)
    return [painted(line, columns, color=color).rstrip() for line in lines]


def test_the_usual_terminal() -> None:
    assert texts(24, 80)[:10] == [
        "polls v7  http://localhost:5000  4 up, 1 crashed                        12:00:02",
        "load 0.42 0.31 0.25 (2 CPUs)  memory 1.2G/3.9G",
        "requests 176/s  p50 17ms  p95 17ms  1.5/s not answered",
        "",
        "NAME     STATE       CPU           MEMORY REQ/S   P50   P95   UP RST PROC  REL",
        "web.1    up        45.0% ╸─────  61M/512M   170  17ms  17ms   3m   0    4   v7",
        "web.2    up         150% ━━━━━╸ 470M/512M   6.0  1.4s  1.4s   1d   3    4   v7",
        "run.8213 up            -              61M     -     -     -   1m   0    4   v7",
        "worker.1 up         0.0% ━━━━╸─ 380M/512M     -     -     -   3m   0    4   v7",
        "worker.2 crashed       -                -     -     -     -   3m  12    -   v7",
    ]
    assert texts(24, 80)[-1] == " q quit  ←→ sort: name"
    assert len(texts(24, 80)) == 24


def test_a_narrow_and_low_one() -> None:
    assert texts(12, 40) == [
        "polls v7  http://localhost:5000 12:00:02",
        "4 up, 1 crashed  176 req/s",
        "load 0.42 (2 CPUs)  memory 1.2G/3.9G",
        "",
        "NAME     STATE       CPU       MEM RST",
        "web.1    up        45.0%  61M/512M   0",
        "web.2    up         150% 470M/512M   3",
        "run.8213 up            -       61M   0",
        "worker.1 up         0.0% 380M/512M   0",
        "worker.2 crashed       -         -  12",
        "",
        " q quit  ←→ sort: name",
    ]


@pytest.mark.parametrize("columns", [1, 5, 20, 39, 40, 55, 79, 80, 91, 200])
@pytest.mark.parametrize("rows", [1, 3, 5, 9, 12, 60])
def test_no_line_is_too_long_and_no_picture_too_high(rows: int, columns: int) -> None:
    found = texts(rows, columns)
    assert len(found) <= rows
    assert max(map(len, found)) <= columns


def test_paper_has_all_columns() -> None:
    lines = [painted(each, None, color=False).rstrip() for each in page(BEFORE, NOW, View(), None)]
    assert lines[4].endswith("REL SIZE")
    assert lines[5].endswith("v7 standard-1x")
    assert len(lines) == 10


def test_colours_may_be_left_out_and_say_nothing_of_their_own() -> None:
    coloured = "\n".join(texts(24, 80, color=True))
    assert "\x1b[31m470M/512M\x1b[0m" in coloured.replace("\x1b[31m ", "\x1b[31m")
    assert "\x1b[32mup\x1b[0m" in coloured
    assert "\x1b" not in "\n".join(texts(24, 80))


def test_without_unicode_there_are_other_signs() -> None:
    found = "\n".join(texts(24, 80, View(ascii_only=True)))
    assert found.isascii()
    assert "#####= 470M/512M" in found


def test_the_largest_come_first_in_the_order_that_was_chosen() -> None:
    def names(order: Order) -> list[str]:
        return [line.split()[0] for line in texts(24, 80, View(order=order))[5:10]]

    assert names(Order.NAME) == ["web.1", "web.2", "run.8213", "worker.1", "worker.2"]
    assert names(Order.CPU)[:2] == ["web.2", "web.1"]
    assert names(Order.MEMORY)[:2] == ["web.2", "worker.1"]
    assert names(Order.REQUESTS)[:2] == ["web.1", "web.2"]
    assert names(Order.SLOWEST)[:2] == ["web.2", "web.1"]
    assert names(Order.RESTARTS)[:2] == ["worker.2", "web.2"]
    assert names(Order.UPTIME)[0] == "web.2"


def test_the_heading_of_the_order_stands_out() -> None:
    line = texts(24, 80, View(order=Order.CPU), color=True)[4]
    assert f"{Style.REVERSE}CPU" in line


def many(count: int) -> Look:
    return look(*(row(f"web.{number}") for number in range(1, count + 1)))


def test_fifty_containers_are_scrolled() -> None:
    found = texts(24, 80, View(top=3), now=many(50))
    assert found[4].split()[0] == "web.4"
    assert found[22].split()[0] == "web.22"
    assert found[23].endswith("↑↓ scroll                                    4-22 of 50")
    assert [each for each in found if each.startswith("web.")] == found[4:23]


def test_nobody_scrolls_behind_the_end() -> None:
    _, followed = screenful(BEFORE, many(50), View(top=1_000_000), 24, 80)
    assert followed.top == 31
    assert texts(24, 80, followed, now=many(50))[22].split()[0] == "web.50"
    _, followed = screenful(BEFORE, many(3), followed, 24, 80)
    assert followed.top == 0


def test_why_there_is_nothing_to_see_is_said() -> None:
    nothing = look(trouble="polls is not running: slug-run start -d --app polls", url="")
    assert "polls is not running: slug-run start -d --app polls" in texts(24, 80, now=nothing)


def test_what_nobody_counts_is_not_shown_as_none() -> None:
    found = texts(24, 80, now=look(row("web.1")))
    assert not any(line.startswith("requests") for line in found)
    assert "  -     -     -" in found[4]


def test_names_cannot_move_the_terminal() -> None:
    line = (Span(text="web\x1b[2J.1"), Span(text="\x07", style=Style.BAD))
    assert painted(line, 80, color=True) == "web.1\x1b[31m\\x07\x1b[0m"


def test_long_names_are_cut() -> None:
    found = texts(24, 80, now=look(row(f"{'long-' * 6}name.1")))
    assert found[4].startswith("long-long-long-lon.. up ")
