"""Opens the state file: private, complete to the last change, in the schema we know.

A change is on the disk when the command that made it says so (synchronous=FULL), and a reader
never waits for a writer (WAL). Who may read the file may read every config var, so nobody may but
its owner.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from runner.state.errors import (
    StateBusyError,
    StateDamagedError,
    StateFileError,
    StateTooNewError,
)
from runner.state.place import network_file_system

PATIENCE = 10.0  # seconds to wait for another writer, which needs milliseconds

# Each takes the file from one schema to the next; never edited once released, only added to.
MIGRATIONS = (
    """
    CREATE TABLE apps (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL
    );
    CREATE TABLE releases (
        app INTEGER NOT NULL REFERENCES apps (number) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        slug TEXT,
        config_vars TEXT NOT NULL,
        description TEXT NOT NULL,
        who TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (app, version)
    ) WITHOUT ROWID;
    CREATE TABLE formation (
        app INTEGER NOT NULL REFERENCES apps (number) ON DELETE CASCADE,
        process_type TEXT NOT NULL,
        quantity INTEGER NOT NULL CHECK (quantity >= 0),
        size TEXT NOT NULL,
        PRIMARY KEY (app, process_type)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE supervision (
        app INTEGER PRIMARY KEY REFERENCES apps (number) ON DELETE CASCADE,
        settings TEXT NOT NULL
    );
    """,
    """
    CREATE TABLE schedule_tasks (
        app INTEGER NOT NULL REFERENCES apps (number) ON DELETE CASCADE,
        name TEXT NOT NULL,
        task TEXT NOT NULL,
        PRIMARY KEY (app, name)
    ) WITHOUT ROWID;
    CREATE TABLE schedule_marks (
        app INTEGER NOT NULL REFERENCES apps (number) ON DELETE CASCADE,
        name TEXT NOT NULL,
        paused INTEGER NOT NULL DEFAULT 0,
        reckoned INTEGER,
        rhythm TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (app, name)
    ) WITHOUT ROWID;
    CREATE TABLE schedule_runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        app INTEGER NOT NULL REFERENCES apps (number) ON DELETE CASCADE,
        task TEXT NOT NULL,
        due INTEGER,
        state TEXT NOT NULL,
        count INTEGER NOT NULL DEFAULT 1,
        version INTEGER,
        started REAL,
        ended REAL,
        code INTEGER,
        detail TEXT NOT NULL DEFAULT '',
        who TEXT NOT NULL,
        UNIQUE (app, task, due)
    );
    """,
    """
    CREATE TABLE rollouts (
        app INTEGER NOT NULL REFERENCES apps (number) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        settings TEXT NOT NULL,
        verdict TEXT,
        PRIMARY KEY (app, version)
    ) WITHOUT ROWID;
    """,
)
SCHEMA = len(MIGRATIONS)

# SQLITE_ERROR: a table or column that its schema should have is not there.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# Of a file that ends before its last page; of the same kind as what a full disk leads to.
_CUT_OFF = sqlite3.SQLITE_IOERR_SHORT_READ
_NO_ROOM = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL}


def open_database(path: Path, *, patience: float = PATIENCE) -> sqlite3.Connection:
    """The state file, made or brought to our schema if need be."""
    with opening(path, patience):
        _make_private(path)
        # autocommit: transactions are begun by name, so that nothing is one by accident.
        database = sqlite3.connect(path, timeout=patience, isolation_level=None)
        try:
            _prepare(database, path)
        except sqlite3.OperationalError as err:
            database.close()
            return _opened_without_room(path, err)
        except BaseException:  # Ctrl-C too: nobody else knows what is open
            database.close()
            raise
    return database


def _opened_without_room(path: Path, error: sqlite3.OperationalError) -> sqlite3.Connection:
    """The state file, only to be read; raises ``error`` where that would not be all of it.

    To begin reading SQLite writes a few kilobytes beside it. On a full disk it cannot, and that is
    when somebody wants to see what runs, and to restart what has filled it.
    """
    log = path.with_name(f"{path.name}-wal")
    if not _is_full(error) or (log.exists() and log.stat().st_size):
        raise error
    database = sqlite3.connect(
        f"{path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None
    )
    if _schema(database) != SCHEMA:
        database.close()
        raise error
    return database


def cannot_be_written(error: sqlite3.OperationalError) -> bool:
    """Whether that is for want of room, as far as SQLite knows; not for somebody who writes now."""
    # What was opened without room is open to be read only.
    return _is_full(error) or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY


def _is_full(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in _NO_ROOM and error.sqlite_errorcode != _CUT_OFF


def _make_private(path: Path) -> None:
    """A file that is its owner's alone; SQLite gives its other files the mode of this one.

    One that is there is not opened: to close it again would take away the locks of every other
    connection of this process (POSIX), and with them what keeps the last one elsewhere from
    removing the write-ahead log that they still use.
    """
    if not path.exists() and (kind := network_file_system(path.parent)) is not None:
        found = f"It would lie on a network file system ({kind}), where SQLite can lose changes."
        raise StateFileError(path, found)
    with contextlib.suppress(FileExistsError):
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(path, flags, 0o600))
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_IMODE(status.st_mode) != 0o600:
        path.chmod(0o600)


def check_database(path: Path) -> None:
    """Read all of the state file and change nothing. Raises what is wrong with it."""
    with opening(path):
        # Only to read: SQLite makes no file, and brings nothing to our schema.
        database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)
        with contextlib.closing(database):
            if (found := _schema(database)) > SCHEMA:
                raise StateTooNewError(path, found, SCHEMA)
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise StateDamagedError(path, said)


class DamagedRowError(sqlite3.DatabaseError):
    """SQLite gives a row, and it is none that we have written."""


@contextlib.contextmanager
def parsing() -> Iterator[None]:
    """While what a row holds is understood. Raises DamagedRowError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise DamagedRowError(f"a row cannot be understood: {err}") from err


@contextlib.contextmanager
def explained(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Turn what SQLite objects to into errors a person can use."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as err:
        code = getattr(err, "sqlite_errorcode", None)
        kind = (
            sqlite3.SQLITE_CORRUPT if code is None else code & 0xFF
        )  # None: text that is no UTF-8
        if kind in _BUSY:
            raise StateBusyError(path, patience) from err
        if kind in _DAMAGED or code == _CUT_OFF or isinstance(err, sqlite3.IntegrityError):
            raise StateDamagedError(path, str(err)) from err
        if kind == sqlite3.SQLITE_READONLY:
            found = "It cannot be written: the disk is full or read-only."
            raise StateFileError(path, found) from err
        raise StateFileError(path, f"SQLite says: {err}.") from err


@contextlib.contextmanager
def opening(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """``explained``, and what the system objects to while the file is opened."""
    try:
        with explained(path, patience):
            yield
    except OSError as err:
        raise StateFileError(path, err.strerror or str(err)) from err
    except UnicodeDecodeError as err:  # of what SQLite has to say about a broken file
        raise StateDamagedError(path, "its description of itself is broken") from err


@contextlib.contextmanager
def changing(database: sqlite3.Connection) -> Iterator[None]:
    """One change, whole or not at all; others that change wait for its end."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:  # Ctrl-C too: half a change must not be there for the next one
        # A full disk makes SQLite roll back by itself; a second time would hide what went wrong.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("PRAGMA synchronous = FULL")
    if _schema(database) == SCHEMA:
        return
    database.execute("PRAGMA journal_mode = WAL")
    with changing(database):
        found = _schema(database)  # another may have been quicker
        if found > SCHEMA:
            raise StateTooNewError(path, found, SCHEMA)
        for migration in MIGRATIONS[found:]:
            for statement in filter(str.strip, migration.split(";")):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA}")


def _schema(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)
