"""State: every question about apps, and every change to them, in one place.

One change is one transaction. What a change depends on is read inside it, so that two of them at
once both happen, one after the other, and none is lost.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from runner.state.database import changing, explained, open_database, parsing
from runner.state.errors import AppExistsError, NoSuchAppError, NoSuchReleaseError
from runner.state.values import App, NewRelease, ReleaseRecord, ReleaseStatus, WantedCount
from slugc.procfile import ProcessType

FILE = "state.db"

Edit = Callable[[ReleaseRecord | None], NewRelease | None]
"""From the newest release that may run (None at first) to the next; None changes nothing."""

_RELEASE = "version, slug, config_vars, description, who, status, created_at"


@contextlib.contextmanager
def opened_state(data_dir: Path) -> Iterator[State]:
    """The state of the apps whose files are in ``data_dir``."""
    path = data_dir / FILE
    database = open_database(path)
    try:
        with explained(path):
            yield State(database)
    finally:
        database.close()


class State:
    """What is remembered. Raises StateBusyError, StateFileError and StateDamagedError."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @property
    def database(self) -> sqlite3.Connection:
        """For the files beside this one, which know other tables."""
        return self._database

    # Apps

    def create_app(self, name: str) -> App:
        try:
            with changing(self._database):
                self._database.execute(
                    "INSERT INTO apps (name, created_at) VALUES (?, ?)", (name, _now())
                )
        except sqlite3.IntegrityError as err:
            raise AppExistsError(name) from err
        return self.app(name)

    def app(self, name: str) -> App:
        """Raises NoSuchAppError."""
        for app in self.apps():
            if app.name == name:
                return app
        raise NoSuchAppError(name, [app.name for app in self.apps()])

    def apps(self) -> tuple[App, ...]:
        """All, by name."""
        rows = self._database.execute("SELECT number, name, created_at FROM apps ORDER BY name")
        return tuple(App(number=row[0], name=row[1], created_at=row[2]) for row in rows)

    def rename_app(self, app: App, name: str) -> App:
        try:
            with changing(self._database):
                self._database.execute(
                    "UPDATE apps SET name = ? WHERE number = ?", (name, app.number)
                )
        except sqlite3.IntegrityError as err:
            raise AppExistsError(name) from err
        return self.app(name)

    def destroy_app(self, app: App) -> None:
        """Forget it with its releases, config vars and formation."""
        with changing(self._database):
            self._database.execute("DELETE FROM apps WHERE number = ?", (app.number,))

    # Releases

    def releases(self, app: App, *, limit: int = -1) -> tuple[ReleaseRecord, ...]:
        """Newest first."""
        rows = self._database.execute(
            f"SELECT {_RELEASE} FROM releases WHERE app = ? ORDER BY version DESC LIMIT ?",  # noqa: S608  # our own list of columns
            (app.number, limit),
        )
        return tuple(_release(row) for row in rows)

    def release(self, app: App, version: int) -> ReleaseRecord:
        """Raises NoSuchReleaseError."""
        row = self._database.execute(
            f"SELECT {_RELEASE} FROM releases WHERE app = ? AND version = ?",  # noqa: S608  # as above
            (app.number, version),
        ).fetchone()
        if row is None:
            raise NoSuchReleaseError(app.name, f"v{version}", self._newest(app))
        return _release(row)

    def current(self, app: App) -> ReleaseRecord | None:
        """The newest release that may run: its release phase, if it has one, succeeded."""
        row = self._database.execute(
            f"SELECT {_RELEASE} FROM releases WHERE app = ? AND status = ?"  # noqa: S608  # as above
            " ORDER BY version DESC LIMIT 1",
            (app.number, ReleaseStatus.SUCCEEDED),
        ).fetchone()
        return None if row is None else _release(row)

    def add_release(self, app: App, edit: Edit) -> ReleaseRecord | None:
        """Make what ``edit`` makes of the current release the next one; None if it makes none."""
        with changing(self._database):
            new = edit(self.current(app))
            if new is None:
                return None
            version = self._newest(app) + 1
            self._database.execute(
                f"INSERT INTO releases (app, {_RELEASE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # as above
                (
                    app.number,
                    version,
                    new.slug,
                    json.dumps(dict(new.config_vars)),
                    new.description,
                    new.who,
                    new.status,
                    _now(),
                ),
            )
            return self.release(app, version)

    def set_status(self, app: App, version: int, status: ReleaseStatus) -> None:
        """How its release phase ended."""
        with changing(self._database):
            self._database.execute(
                "UPDATE releases SET status = ? WHERE app = ? AND version = ?",
                (status, app.number, version),
            )

    def slugs_in_use(self) -> frozenset[str]:
        """Checksums of all slugs that some release is made of."""
        rows = self._database.execute("SELECT DISTINCT slug FROM releases WHERE slug IS NOT NULL")
        return frozenset(slug for (slug,) in rows)

    def _newest(self, app: App) -> int:
        (newest,) = self._database.execute(
            "SELECT coalesce(max(version), 0) FROM releases WHERE app = ?", (app.number,)
        ).fetchone()
        return int(newest)

    # Formation

    def formation(self, app: App) -> Mapping[ProcessType, WantedCount]:
        """What was scaled, by process type."""
        rows = self._database.execute(
            "SELECT process_type, quantity, size FROM formation WHERE app = ?"
            " ORDER BY process_type",
            (app.number,),
        )
        found = (
            WantedCount(process_type=ProcessType(r[0]), quantity=r[1], size=r[2]) for r in rows
        )
        return MappingProxyType({wanted.process_type: wanted for wanted in found})

    def scale(
        self,
        app: App,
        edit: Callable[[Mapping[ProcessType, WantedCount]], Sequence[WantedCount]],
    ) -> Mapping[ProcessType, WantedCount]:
        """Set the counts that ``edit`` makes of those there are, all of them or none."""
        with changing(self._database):
            self._database.executemany(
                "INSERT INTO formation (app, process_type, quantity, size) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET quantity = excluded.quantity, size = excluded.size",
                [
                    (app.number, wanted.process_type, wanted.quantity, wanted.size)
                    for wanted in edit(self.formation(app))
                ],
            )
            return self.formation(app)

    # Supervision

    def supervision(self, app: App) -> Mapping[str, object] | None:
        """How the app is to be kept running, as runner/supervision wrote it; None if it is not."""
        row = self._database.execute(
            "SELECT settings FROM supervision WHERE app = ?", (app.number,)
        ).fetchone()
        with parsing():
            return None if row is None else MappingProxyType(dict(json.loads(row[0])))

    def set_supervision(self, app: App, settings: Mapping[str, object] | None) -> None:
        """Keep the app running from now on, or no longer (None)."""
        with changing(self._database):
            self._database.execute("DELETE FROM supervision WHERE app = ?", (app.number,))
            if settings is None:
                # What comes due while an app is stopped on purpose is not missed.
                self._database.execute(
                    "UPDATE schedule_marks SET reckoned = NULL WHERE app = ?", (app.number,)
                )
            else:
                self._database.execute(
                    "INSERT INTO supervision (app, settings) VALUES (?, ?)",
                    (app.number, json.dumps(dict(settings))),
                )


def _release(row: Sequence[object]) -> ReleaseRecord:
    version, slug, config_vars, description, who, status, created_at = row
    with parsing():
        if not isinstance(version, int):
            raise TypeError(f"{version!r} is no version")
        return ReleaseRecord(
            version=version,
            slug=None if slug is None else str(slug),
            config_vars=MappingProxyType(dict(json.loads(str(config_vars)))),
            description=str(description),
            who=str(who),
            status=ReleaseStatus(str(status)),
            created_at=str(created_at),
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
