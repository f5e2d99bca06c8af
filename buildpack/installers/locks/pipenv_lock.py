"""Pipfile and Pipfile.lock: is the lock as new as the Pipfile, and what does it lock?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from buildpack.installers.locks.lock_changes import Dependency, Locked, find_changes, split_extras
from buildpack.installers.locks.lock_errors import UnexplainedLockError
from buildpack.installers.locks.project_errors import Difference, LockOutOfSyncError
from buildpack.installers.locks.project_file import Table, strings, table, tables, text_of
from buildpack.support.names import normalized

PIPFILE, LOCK, COMMAND = "Pipfile", "Pipfile.lock", "pipenv lock"
NO_CATEGORIES = frozenset({"source", "requires", "scripts", "pipfile", "pipenv", "_meta"})
CATEGORIES = {"packages": "default", "dev-packages": "develop"}
"""What two of the Pipfile's tables are called in the lock; the others keep their names."""

PUBLIC_SOURCE = {"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}
"""What Pipenv puts into its hash where a Pipfile names no source: its constant, not our index."""
DIRECT = ("git", "hg", "svn", "bzr", "path", "file", "url")


def pipfile_hashes(pipfile: Table) -> tuple[str, str]:
    """The hash Pipenv computes today, with normalised names, and the one it did before 2023."""
    return _hash(pipfile, is_normalized=True), _hash(pipfile, is_normalized=False)


def _hash(pipfile: Table, *, is_normalized: bool) -> str:
    def section(name: str) -> object:
        found = table(pipfile, name)
        return {normalized(key): found[key] for key in found} if is_normalized else found

    content: dict[str, object] = {
        "_meta": {
            "sources": pipfile.get("source", [PUBLIC_SOURCE]),
            "requires": pipfile.get("requires", {}),
        },
        **{
            CATEGORIES.get(name, name): section(name)
            for name in (*CATEGORIES, *categories(pipfile))
        },
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def categories(pipfile: Table) -> Iterator[str]:
    """The tables of packages that have a name of the app's own."""
    known = {*NO_CATEGORIES, *CATEGORIES, *CATEGORIES.values()}
    return (name for name in pipfile if name not in known)


def check_fresh(pipfile: Table, lock: Table) -> None:
    """Raise, with what differs, unless ``lock`` was written for this Pipfile."""
    locked = text_of(table(lock, "_meta", "hash").get("sha256"))
    if locked in pipfile_hashes(pipfile):
        return
    changes = [*_requires_changes(pipfile, lock), *_source_changes(pipfile, lock)]
    for name in (*CATEGORIES, *categories(pipfile)):
        changes += _category_changes(table(pipfile, name), table(lock, CATEGORIES.get(name, name)))
    if not changes:
        raise UnexplainedLockError(LOCK, PIPFILE, COMMAND)
    raise LockOutOfSyncError(LOCK, PIPFILE, changes, COMMAND)


def _category_changes(wanted: Table, locked: Table) -> tuple[Difference, ...]:
    entries = {normalized(name): table(entry) for name, entry in locked.items()}
    found = {name: (_locked(entry),) for name, entry in entries.items()}
    # Pipenv notes the index of what the Pipfile asks for, and of nothing else.
    asked_for = [name for name, entry in entries.items() if "index" in entry]
    dependencies = [_dependency(name, value) for name, value in wanted.items()]
    return find_changes(dependencies, found, asked_for)


def _locked(entry: Table) -> Locked:
    return Locked(
        version=text_of(entry.get("version")).removeprefix("==").removeprefix("*"),
        source=_source(entry),
        has_extra={normalized(extra) for extra in strings(entry.get("extras"))}.__contains__,
    )


def _source(entry: Table) -> str:
    return next((f"{kind} {text_of(entry[kind])}" for kind in DIRECT if kind in entry), "")


def _dependency(name: str, value: object) -> Dependency:
    entry = table(value) or {"version": text_of(value)}
    version = text_of(entry.get("version")).strip()
    source, extras = _source(entry), split_extras(",".join(strings(entry.get("extras"))))
    if version and version[0].isdigit():
        version = f"=={version}"
    specifier = "" if version == "*" else version
    label = f"{name}[{','.join(extras)}]" if extras else name
    return Dependency(
        name=normalized(name),
        shown=f"{label} ({source})" if source else f"{label}{specifier}",
        alternatives=(specifier,),
        source=source,
        extras=extras,
    )


def _requires_changes(pipfile: Table, lock: Table) -> Iterator[Difference]:
    wanted, locked = table(pipfile, "requires"), table(lock, "_meta", "requires")
    for name in sorted({*wanted, *locked}):
        if wanted.get(name) != locked.get(name):
            yield Difference(name=name, wanted=_pair(name, wanted), locked=_pair(name, locked))


def _source_changes(pipfile: Table, lock: Table) -> Iterator[Difference]:
    wanted = _by_name(pipfile.get("source", [PUBLIC_SOURCE]))
    locked = _by_name(table(lock, "_meta").get("sources"))
    for name in sorted({*wanted, *locked}):
        if wanted.get(name) != locked.get(name):
            # URLs stay out of the message: they may hold passwords.
            shown = f"source {name}"
            now = f"{shown} (changed)" if name in locked else shown
            yield Difference(
                name=shown,
                wanted=now if name in wanted else "",
                locked=shown if name in locked else "",
            )


def _by_name(sources: object) -> Mapping[str, Table]:
    return {text_of(source.get("name")): source for source in tables(sources)}


def _pair(name: str, values: Table) -> str:
    return f"{name} = {values[name]}" if name in values else ""
