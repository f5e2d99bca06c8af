"""What state.db knows of scheduled tasks: which there are, how far they were reckoned, their runs.

A run is never started without a row, and a row is made once for a task and a time; so no time is
run twice, whoever is killed and whatever the clock does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runner.state.database import changing, parsing
from runner.state.schedule_values import OPEN, Mark, Reckoned, Run, RunState
from runner.state.state import State
from runner.state.values import App

KEPT_PER_TASK = 100
KEPT_PER_APP = 2000
_RUN = "number, task, due, state, count, version, started, ended, code, detail, who"


class ScheduleState:
    """The schedule tables of one app."""

    def __init__(self, state: State, app: App) -> None:
        self._database, self._app = state.database, app.number

    # Tasks

    def tasks(self) -> Mapping[str, Mapping[str, object]]:
        """Those that were added by command, by name, as runner/schedule wrote them."""
        rows = self._database.execute(
            "SELECT name, task FROM schedule_tasks WHERE app = ? ORDER BY name", (self._app,)
        )
        with parsing():
            return MappingProxyType({name: dict(json.loads(task)) for name, task in rows})

    def add_task(self, name: str, task: Mapping[str, object], mark: Mark) -> bool:
        """False if there is one of that name already."""
        try:
            with changing(self._database):
                self._database.execute(
                    "INSERT INTO schedule_tasks (app, name, task) VALUES (?, ?, ?)",
                    (self._app, name, json.dumps(dict(task))),
                )
                # One of that name may have been paused, and gone with its release.
                self._database.execute(
                    "DELETE FROM schedule_marks WHERE app = ? AND name = ?", (self._app, name)
                )
                self._set_mark(name, mark)
        except sqlite3.IntegrityError:
            return False
        return True

    def remove_task(self, name: str) -> None:
        """Its runs stay in the history for a while."""
        with changing(self._database):
            for table in ("schedule_tasks", "schedule_marks"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE app = ? AND name = ?",  # noqa: S608  # ours
                    (self._app, name),
                )

    # Marks

    def marks(self) -> Mapping[str, Mark]:
        rows = self._database.execute(
            "SELECT name, paused, reckoned, rhythm FROM schedule_marks WHERE app = ?", (self._app,)
        )
        with parsing():
            return MappingProxyType(
                {
                    name: Mark(is_paused=bool(paused), reckoned=_int(reckoned), rhythm=str(rhythm))
                    for name, paused, reckoned, rhythm in rows
                }
            )

    def set_mark(self, name: str, mark: Mark) -> None:
        with changing(self._database):
            self._set_mark(name, mark)

    def pause(self, name: str, *, is_paused: bool) -> None:
        """What comes due while a task is paused is not missed."""
        with changing(self._database):
            self._database.execute(
                "INSERT INTO schedule_marks (app, name, paused) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET paused = excluded.paused, reckoned = NULL",
                (self._app, name, int(is_paused)),
            )

    def _set_mark(self, name: str, mark: Mark) -> None:
        self._database.execute(
            "INSERT INTO schedule_marks (app, name, paused, reckoned, rhythm)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET reckoned = excluded.reckoned, rhythm = excluded.rhythm",
            (self._app, name, int(mark.is_paused), mark.reckoned, mark.rhythm),
        )

    # Runs

    def runs(self, task: str | None = None, *, limit: int = -1) -> tuple[Run, ...]:
        """Newest first."""
        rows = self._database.execute(
            f"SELECT {_RUN} FROM schedule_runs WHERE app = ? AND (? IS NULL OR task = ?)"  # noqa: S608  # our own list of columns
            " ORDER BY number DESC LIMIT ?",
            (self._app, task, task, limit),
        )
        return tuple(_run(row) for row in rows)

    def last_runs(self) -> Mapping[str, Run]:
        """The newest run of each task that is not under way."""
        rows = self._database.execute(
            f"SELECT {_RUN} FROM schedule_runs WHERE number IN (SELECT max(number)"  # noqa: S608  # as above
            " FROM schedule_runs WHERE app = ? AND state NOT IN (?, ?) GROUP BY task)",
            (self._app, *OPEN),
        )
        return MappingProxyType({run.task: run for run in map(_run, rows)})

    def open_runs(self) -> tuple[Run, ...]:
        """Those that were noted or started and have not ended, oldest first."""
        rows = self._database.execute(
            f"SELECT {_RUN} FROM schedule_runs WHERE app = ? AND state IN (?, ?)"  # noqa: S608  # as above
            " ORDER BY number",
            (self._app, *OPEN),
        )
        return tuple(_run(row) for row in rows)

    def run(self, number: int) -> Run | None:
        row = self._database.execute(
            f"SELECT {_RUN} FROM schedule_runs WHERE app = ? AND number = ?",  # noqa: S608  # as above
            (self._app, number),
        ).fetchone()
        return None if row is None else _run(row)

    def note(self, task: str, found: Reckoned, *, who: str) -> Run | None:
        """Note what was reckoned, all of it or nothing; the run to start.

        None also where that time has been run before.
        """
        with changing(self._database):
            if found.missed and found.last_missed is not None:
                self._add_missed(task, found.missed, found.last_missed, who)
            number = None
            if found.run is not None:
                number = self._insert(task, found.run, RunState.DUE, who)
            self._set_mark(task, found.mark)
            self._prune(task)
        return None if number is None else self.run(number)

    def ask(self, task: str, *, who: str, now: float) -> Run:
        """Note a run that somebody asked for; when is noted as its start until it has begun."""
        with changing(self._database):
            number = self._insert(task, None, RunState.DUE, who)
            self._database.execute(
                "UPDATE schedule_runs SET started = ? WHERE number = ?", (now, number)
            )
            self._prune(task)
        assert number is not None
        found = self.run(number)
        assert found is not None
        return found

    def begin(
        self, run: Run, is_in_the_way: Callable[[Run], bool], *, version: int, now: float
    ) -> Run | None:
        """Call a run that is due running; the one of its task that is in its way, if one is.

        Asked inside the transaction, so of two that begin at once one sees the other.
        """
        with changing(self._database):
            for other in self.open_runs():
                is_other = other.task == run.task and other.state is RunState.RUNNING
                if is_other and is_in_the_way(other):
                    return other
            self._database.execute(
                "UPDATE schedule_runs SET state = ?, version = ?, started = ?"
                " WHERE number = ? AND state = ?",
                (RunState.RUNNING, version, now, run.number, RunState.DUE),
            )
        return None

    def end(
        self,
        run: Run,
        state: RunState,
        *,
        now: float,
        code: int | None = None,
        detail: str = "",
    ) -> bool:
        """Note how an open run ended; False if somebody else has, or its app is gone."""
        with changing(self._database):
            done = self._database.execute(
                "UPDATE schedule_runs SET state = ?, ended = ?, code = ?, detail = ?"
                " WHERE number = ? AND state IN (?, ?)",
                (state, now, code, detail, run.number, *OPEN),
            )
            if state is RunState.SKIPPED and done.rowcount:
                self._join_skipped(run, detail)
            return done.rowcount == 1

    def _insert(
        self, task: str, due: int | None, state: RunState, who: str, count: int = 1
    ) -> int | None:
        done = self._database.execute(
            "INSERT OR IGNORE INTO schedule_runs (app, task, due, state, count, who)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (self._app, task, due, state, count, who),
        )
        return done.lastrowid if done.rowcount == 1 else None

    def _add_missed(self, task: str, count: int, due: int, who: str) -> None:
        """One row for all that were missed in a row, or a night would be the whole history."""
        newest = self.runs(task, limit=1)
        if newest and newest[0].state is RunState.MISSED:
            self._database.execute(
                "UPDATE OR IGNORE schedule_runs SET count = count + ?, due = ? WHERE number = ?",
                (count, due, newest[0].number),
            )
        else:
            self._insert(task, due, RunState.MISSED, who, count)

    def _join_skipped(self, run: Run, detail: str) -> None:
        """The same for those that one and the same run kept from being started."""
        before = [
            each
            for each in self.runs(run.task, limit=3)
            if each.number < run.number and each.state is RunState.SKIPPED
        ]
        if before and before[0].detail == detail:
            self._database.execute("DELETE FROM schedule_runs WHERE number = ?", (run.number,))
            self._database.execute(
                "UPDATE schedule_runs SET count = count + 1, due = ? WHERE number = ?",
                (run.due, before[0].number),
            )

    def _prune(self, task: str) -> None:
        """Keep the newest runs of the task, and of the app."""
        for where, words, kept in (
            ("app = ? AND task = ?", (self._app, task), KEPT_PER_TASK),
            ("app = ?", (self._app,), KEPT_PER_APP),
        ):
            self._database.execute(
                f"DELETE FROM schedule_runs WHERE {where} AND state NOT IN (?, ?) AND number <"  # noqa: S608  # ours
                f" (SELECT min(number) FROM (SELECT number FROM schedule_runs WHERE {where}"
                " ORDER BY number DESC LIMIT ?))",
                (*words, *OPEN, *words, kept),
            )


def _run(row: Sequence[Any]) -> Run:
    number, task, due, state, count, version, started, ended, code, detail, who = row
    with parsing():
        return Run(
            number=int(number),
            task=str(task),
            due=_int(due),
            state=RunState(state),
            count=int(count),
            version=_int(version),
            started=None if started is None else float(started),
            ended=None if ended is None else float(ended),
            code=_int(code),
            detail=str(detail),
            who=str(who),
        )


def _int(found: Any) -> int | None:
    return None if found is None else int(found)
