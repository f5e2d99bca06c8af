"""What is due: a task's times compared with the clock. Values in, values out."""

from __future__ import annotations

from buildpack.support.values import changed
from runner.schedule.task import Task
from runner.schedule.times import Rhythm, next_after
from runner.state.schedule_values import Mark, Reckoned

CORRECTION = 3 * 3600  # seconds: a clock set back by more was wrong before, as Debian's cron has it
MOST_MISSED = 1000  # times that are counted one by one

_SPANS = (60.0, 3600.0, 86400.0, 32 * 86400.0, 50 * 366 * 86400.0)  # seconds to look back


def fresh_mark(task: Task, mark: Mark, now: float) -> Mark:
    """The mark to reckon from: a new one for a new rhythm, and after the clock was corrected."""
    is_ours = mark.rhythm == task.rhythm.key and mark.reckoned is not None
    if is_ours and mark.reckoned is not None and now >= mark.reckoned - CORRECTION:
        return mark
    return changed(mark, reckoned=int(now), rhythm=task.rhythm.key)


def reckon(task: Task, mark: Mark, now: float) -> Reckoned:
    """What has come due since ``mark``, which is a fresh one.

    However many times have passed, at most one is run: the last, if it is not too long ago.
    """
    assert mark.reckoned is not None
    passed = _passed(task.rhythm, mark.reckoned, now)
    if not passed:
        return Reckoned(mark=mark)
    last = passed[-1]
    reckoned = changed(mark, reckoned=last)
    if now - last <= task.start_within:
        before = passed[-2] if len(passed) > 1 else None
        return Reckoned(mark=reckoned, missed=len(passed) - 1, last_missed=before, run=last)
    return Reckoned(mark=reckoned, missed=len(passed), last_missed=last)


def _passed(rhythm: Rhythm, since: int, now: float) -> list[int]:
    """Its times from ``since`` to now; of more than we count, the last one all the same."""
    found: list[int] = []
    due = next_after(rhythm, since)
    while due is not None and due <= now:
        found.append(due)
        if len(found) == MOST_MISSED:
            return [*found, last] if (last := _last(rhythm, due, now)) > due else found
        due = next_after(rhythm, due)
    return found


def _last(rhythm: Rhythm, since: int, now: float) -> int:
    """Its last time before now: a clock may have jumped by years, with a time in each minute."""
    last = since
    for span in _SPANS:
        due = next_after(rhythm, max(since, now - span))
        while due is not None and due <= now:
            last, due = due, next_after(rhythm, due)
        if last > since:
            break
    return last
