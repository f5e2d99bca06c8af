"""`slugc list` and `slugc rm`: the slugs that builds made, as their records tell."""

from __future__ import annotations

import calendar
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from buildpack.support.errors import printable, printable_path
from buildpack.support.values import value
from slugc.history import BuildRecord, forget_output, read_builds
from slugc.slug import read_slug
from slugc.slug_errors import UNUSABLE
from slugc.upkeep.catalog_errors import (
    AmbiguousSlugError,
    NoSuchSlugError,
    NotASlugFileError,
    SlugNotRemovedError,
)
from slugc.upkeep.units import in_columns, shown_age, shown_size

SHORTEST_CHECKSUM = 6  # digits; fewer fit too many slugs, and names
SIGNATURES_SUFFIX = ".intoto.jsonl"
"""Beside a slug, its signatures: they go with it."""


@value
class CatalogedSlug:
    """A slug that was built, and whether it is still where it was written."""

    record: BuildRecord
    present: bool

    @property
    def app(self) -> str:
        return self.record.name or self.record.app


@value
class RemovedSlug:
    """What `slugc rm` did for one slug."""

    archive: str
    file_removed: bool
    file_kept: bool
    """something else lies there by now"""


def catalog(data_dir: Path) -> tuple[CatalogedSlug, ...]:
    """The last build of every slug file, newest first."""
    newest: dict[str, BuildRecord] = {}
    for record in read_builds(data_dir):
        newest.setdefault(record.archive, record)
    return tuple(
        CatalogedSlug(record=record, present=Path(archive).is_file())
        for archive, record in newest.items()
    )


def as_table(slugs: Sequence[CatalogedSlug], now: float) -> str:
    """One line for each slug, under headings; a sentence when there are none."""
    if not slugs:
        return "No slugs were built yet: slugc build path/to/app\n"
    headings = ("NAME", "SIZE", "STACK", "PYTHON", "PROCESS TYPES", "AGE", "SLUG")
    return in_columns([headings, *(_row(slug, now) for slug in slugs)])


def _row(slug: CatalogedSlug, now: float) -> tuple[str, ...]:
    record = slug.record
    return (
        printable(slug.app),
        shown_size(record.size),
        printable(record.stack),
        printable(record.python_version or "-"),
        printable(" ".join(record.process_types) or "-"),
        shown_age(age_of(record, now)),
        printable_path(record.archive) + ("" if slug.present else " (gone)"),
    )


def as_json(slugs: Iterable[CatalogedSlug]) -> str:
    """A list of objects, for programs."""
    documents = [
        {
            "name": slug.app,
            "checksum": slug.record.checksum,
            "size": slug.record.size,
            "stack": slug.record.stack,
            "python_version": slug.record.python_version,
            "process_types": slug.record.process_types,
            "buildpacks": slug.record.buildpacks,
            "commit": slug.record.commit,
            "built_at": slug.record.built_at,
            "duration": slug.record.duration,
            "sandbox": slug.record.sandbox,
            "slug": slug.record.archive,
            "present": slug.present,
        }
        for slug in slugs
    ]
    return json.dumps(documents)


def age_of(record: BuildRecord, now: float) -> float:
    """Seconds since the build."""
    try:
        built = calendar.timegm(time.strptime(record.built_at, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0.0  # a record written by another version
    return max(now - built, 0.0)


def remove_slugs(data_dir: Path, words: Sequence[str], *, cwd: Path) -> tuple[RemovedSlug, ...]:
    """Remove the slugs that ``words`` name, each by name, checksum or path: all of them or none.

    Containers that run from one go on: the store has its layers.
    """
    slugs = catalog(data_dir)
    chosen = dict(_choose(slugs, word, cwd) for word in words)
    return tuple(_remove(data_dir, archive, checksum) for archive, checksum in chosen.items())


def _choose(slugs: Sequence[CatalogedSlug], word: str, cwd: Path) -> tuple[str, str]:
    """The file a word stands for, and the checksum of the slug that is meant.

    A name first, then a path, then the beginning of a checksum.
    """
    found = [slug for slug in slugs if word and word in {slug.record.name, slug.record.app}]
    if not found:
        path = os.path.normpath(cwd / word)
        found = [slug for slug in slugs if slug.record.archive == path]
        if word and os.path.lexists(path):
            return path, _checksum_at(Path(path), found)
    if not found:
        digits = word.removeprefix("sha256:")
        start = f"sha256:{digits}" if len(digits) >= SHORTEST_CHECKSUM else "-"
        found = [slug for slug in slugs if slug.record.checksum.startswith(start)]
    if not found:
        raise NoSuchSlugError(word, _names(slugs))
    if len(found) > 1:
        raise AmbiguousSlugError(word, [slug.record.archive for slug in found])
    return found[0].record.archive, found[0].record.checksum


def _names(slugs: Iterable[CatalogedSlug]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for slug in slugs for name in (slug.app, slug.record.archive)))


def _checksum_at(path: Path, recorded: Sequence[CatalogedSlug]) -> str:
    """Of whatever slug lies at a path that was given, built here or not.

    A record of a slug in whose place something else lies goes alone.
    """
    try:
        return read_slug(path).metadata.checksum
    except UNUSABLE as err:
        if recorded:
            return recorded[0].record.checksum
        raise NotASlugFileError(path) from err


def _remove(data_dir: Path, archive: str, checksum: str) -> RemovedSlug:
    """The file goes first: killed in between, its record is there to be removed again."""
    path = Path(archive)
    present = os.path.lexists(path)
    ours = _is_still(path, checksum)
    if ours:
        try:
            path.with_name(path.name + SIGNATURES_SUFFIX).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as err:
            raise SlugNotRemovedError(path, err.strerror or str(err)) from err
    forget_output(data_dir, archive)
    return RemovedSlug(archive=archive, file_removed=ours, file_kept=present and not ours)


def _is_still(archive: Path, checksum: str) -> bool:
    """Whether the slug that was built lies there, and not something else."""
    try:
        return read_slug(archive).metadata.checksum == checksum
    except UNUSABLE:
        return False
