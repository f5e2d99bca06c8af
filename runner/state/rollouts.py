"""Releases that an app's supervisor brings up, and what came of each.

A rollout begins with its row, and ends with its verdict and the release's status in one
transaction. Between the two the release is pending, and whoever supervises the app goes on with
it, whatever was killed. What is wanted of an app is its rollout, if there is one, else its newest
release that succeeded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from buildpack.support.values import NOTHING, value
from runner.state.database import changing, parsing
from runner.state.state import State
from runner.state.values import App, ReleaseStatus


@value
class Failure:
    """Why a release did not come up: one of its containers."""

    name: str
    """``web.2``; empty where it was not a container"""
    text: str
    """``answered 500 at /healthz``"""
    status: int | None = None
    """of the last answer to a health check"""
    body: str = ""
    """the first part of that answer"""
    last: tuple[str, ...] = ()
    """the last lines the container wrote"""


STOPPED = Failure(name="", text="the app was stopped before it was up")


@value
class Rollout:
    """A release that is brought up, or was."""

    version: int
    settings: Mapping[str, object]
    """what is changed in how the app is kept running, if the release comes up"""
    is_open: bool
    failure: Failure | None


class RolloutState:
    """The rollouts of one app."""

    def __init__(self, state: State, app: App) -> None:
        self._state, self._app = state, app
        self._database = state.database

    def current(self) -> Rollout | None:
        """The one under way."""
        row = self._database.execute(
            "SELECT version, settings, verdict FROM rollouts WHERE app = ? AND verdict IS NULL"
            " ORDER BY version DESC LIMIT 1",
            (self._app.number,),
        ).fetchone()
        return None if row is None else _rollout(row)

    def of(self, version: int) -> Rollout | None:
        """That of a release; None where nothing ran it."""
        row = self._database.execute(
            "SELECT version, settings, verdict FROM rollouts WHERE app = ? AND version = ?",
            (self._app.number, version),
        ).fetchone()
        return None if row is None else _rollout(row)

    def all(self) -> Mapping[int, Rollout]:
        """By version."""
        rows = self._database.execute(
            "SELECT version, settings, verdict FROM rollouts WHERE app = ?", (self._app.number,)
        )
        return MappingProxyType({row[0]: _rollout(row) for row in rows})

    def begin(self, version: int, settings: Mapping[str, object] = NOTHING) -> bool:
        """Have the supervisor bring up a pending release. Where the app is not kept running
        there is nobody to do it: the release has succeeded then, and False is returned."""
        with changing(self._database):
            if self._state.supervision(self._app) is None:
                self._set_status(version, ReleaseStatus.SUCCEEDED)
                return False
            self._database.execute(
                "INSERT INTO rollouts (app, version, settings) VALUES (?, ?, ?)",
                (self._app.number, version, json.dumps(dict(settings))),
            )
        return True

    def succeed(self, version: int) -> None:
        """It is up; does nothing if there is a verdict already."""
        with changing(self._database):
            rollout = self._end(version, {})
            if rollout is None:
                return
            self._set_status(version, ReleaseStatus.SUCCEEDED)
            known = self._state.supervision(self._app)
            if known is not None and rollout.settings:
                self._database.execute(
                    "UPDATE supervision SET settings = ? WHERE app = ?",
                    (json.dumps({**known, **rollout.settings}), self._app.number),
                )

    def fail(self, version: int, failure: Failure) -> None:
        """It did not come up; does nothing if there is a verdict already."""
        fields = ("name", "text", "status", "body", "last")
        verdict = {name: getattr(failure, name) for name in fields}
        with changing(self._database):
            if self._end(version, verdict) is not None:
                self._set_status(version, ReleaseStatus.FAILED)

    def _end(self, version: int, verdict: Mapping[str, object]) -> Rollout | None:
        found = self.of(version)
        if found is None or not found.is_open:
            return None
        self._database.execute(
            "UPDATE rollouts SET verdict = ? WHERE app = ? AND version = ?",
            (json.dumps(dict(verdict)), self._app.number, version),
        )
        return found

    def _set_status(self, version: int, status: ReleaseStatus) -> None:
        self._database.execute(
            "UPDATE releases SET status = ? WHERE app = ? AND version = ?",
            (status, self._app.number, version),
        )


def _rollout(row: tuple[int, str, str | None]) -> Rollout:
    version, settings, verdict = row
    with parsing():
        said = {} if verdict is None else json.loads(verdict)
        return Rollout(
            version=version,
            settings=MappingProxyType(dict(json.loads(settings))),
            is_open=verdict is None,
            failure=Failure(**{**said, "last": tuple(said["last"])}) if said else None,
        )
