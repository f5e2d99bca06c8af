"""Counting times in steps."""

from __future__ import annotations

import pytest

from runner.router_log.traffic import Traffic, milliseconds_of, percentile, step_of


@pytest.mark.parametrize("milliseconds", [0.2, 1.0, 17.3, 250.0, 30_000.0])
def test_a_step_is_near_the_time_it_counts(milliseconds: float) -> None:
    assert milliseconds_of(step_of(milliseconds)) == pytest.approx(milliseconds, rel=0.05)


def test_no_time_at_all_is_in_the_first_step() -> None:
    assert step_of(0.0) == step_of(-1.0) == 0


def test_percentiles_are_of_the_times_counted() -> None:
    times: dict[int, int] = {}
    for each in range(1, 101):
        times[step_of(float(each))] = times.get(step_of(float(each)), 0) + 1
    assert percentile(times, 0.5) == pytest.approx(50, rel=0.1)
    assert percentile(times, 0.95) == pytest.approx(95, rel=0.1)


def test_of_no_requests_there_are_no_percentiles() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({3: 0}, 0.5) is None


def test_rows_name_each_container_with_its_times() -> None:
    traffic = Traffic()
    traffic.note("web.1", 0.1, is_error=False)
    traffic.note("web.1", 0.1, is_error=True)
    traffic.note("web.2", 0.2, is_error=False)
    assert traffic.rows() == {
        "web.1": {"count": 2, "errors": 1, "times": {"0": 2}},
        "web.2": {"count": 1, "errors": 0, "times": {"8": 1}},
    }
