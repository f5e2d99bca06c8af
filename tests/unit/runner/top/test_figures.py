"""What two looks say together."""

from __future__ import annotations

import pytest

from runner.router_log.traffic import step_of
from runner.top import words
from runner.top.figures import Figure, figures_of, total_traffic
from runner.top.look import Look
from tests.unit.runner.top.samples import NOON, absent, look, requests, row


def figure(before: Look, now: Look) -> Figure:
    (found,) = figures_of(before, now)
    return found


def test_processor_time_is_a_share_of_one_processor() -> None:
    now = look(row("web.1", cpu_seconds=13.0), at=2.0)
    assert figure(look(row("web.1")), now).cpu == pytest.approx(150.0)


def test_a_container_that_was_replaced_counts_from_its_beginning() -> None:
    now = look(row("web.1", cpu_seconds=0.5, since=NOON + 1), at=2.0)
    assert figure(look(row("web.1")), now).cpu == pytest.approx(50.0)


def test_of_one_that_was_not_seen_before_nothing_is_guessed() -> None:
    now = look(row("web.1", cpu_seconds=500.0), at=2.0)
    assert figure(look(), now).cpu is None


def test_a_place_without_a_container_has_no_figures() -> None:
    found = figure(look(), look(absent("web.1", since=None), at=2.0))
    assert (found.cpu, found.memory, found.processes, found.uptime) == (None, None, None, None)
    assert found.memory_limit is not None


def test_only_what_came_in_between_is_counted() -> None:
    before = look(row("web.1"), traffic={"web.1": requests(10, 100, 2)})
    times = {str(step_of(10)): 100, str(step_of(900)): 5}
    now = look(row("web.1"), at=2.0, traffic={"web.1": {"count": 105, "errors": 3, "times": times}})
    found = figure(before, now).traffic
    assert found is not None
    assert (found.rate, found.errors) == (2.5, 0.5)
    assert found.p50 == pytest.approx(900, rel=0.05)


def test_a_new_supervisor_counts_anew_and_nothing_is_negative() -> None:
    before = look(row("web.1"), traffic={"web.1": requests(10, 100, 9)})
    now = look(row("web.1"), at=2.0, traffic={"web.1": requests(10, 4, 1)})
    found = figure(before, now).traffic
    assert found is not None
    assert (found.rate, found.errors) == (2.0, 0.5)


def test_requests_that_no_container_had_count_for_the_app() -> None:
    now = look(row("web.1"), at=2.0, traffic={"": requests(0.1, 8, 8)})
    total = total_traffic(look(traffic={}), now)
    assert total is not None
    assert (total.rate, total.errors) == (4.0, 4.0)
    own = figure(look(traffic={}), now).traffic
    assert own is not None
    assert own.rate == 0.0


def test_who_takes_no_requests_has_no_rate() -> None:
    now = look(row("worker.1"), at=2.0, traffic={})
    assert figure(look(), now).traffic is None
    assert total_traffic(look(), look()) is None


@pytest.mark.parametrize(
    ("found", "shown"),
    [(None, "-"), (0, "0B"), (1023, "1K"), (61 << 20, "61M"), (999 << 20, "999M"),
     (1000 << 20, "1.0G"), (5 << 28, "1.2G"), (126 << 30, "126G"), (1 << 62, "4096P")],
)  # fmt: skip
def test_sizes(found: int | None, shown: str) -> None:
    assert words.size(found) == shown


@pytest.mark.parametrize(
    ("shown", "words_of"),
    [
        ("-", words.percent(None)), ("0.3%", words.percent(0.3)), ("100%", words.percent(99.96)),
        ("-", words.span(None)), ("59s", words.span(59.9)), ("1m", words.span(60)),
        ("23h", words.span(86_399)), ("40d", words.span(40 * 86_400)),
        ("-", words.milliseconds(None)), ("0.4ms", words.milliseconds(0.4)),
        ("18ms", words.milliseconds(18.2)), ("1.2s", words.milliseconds(1200)),
        ("-", words.rate(None)), ("0", words.rate(0)), ("0.5", words.rate(0.5)),
        ("340", words.rate(340)), ("2.1k", words.rate(2100)),
    ],
)  # fmt: skip
def test_numbers_in_few_characters(shown: str, words_of: str) -> None:
    assert words_of == shown
    assert len(words_of) <= 5
