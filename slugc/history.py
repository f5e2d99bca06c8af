"""Which builds there were: one small file each, for `slugc list`, `slugc rm` and build timelines.

DATA/builds/<number>-<output>-<checksum>    digits of each; the number counts up from build to build

Builds are ordered by their number, not by a clock, which somebody may set. A record tells of
something and nothing depends on it: it is not synced to the disk, a build that cannot write it
succeeds all the same, and one that cannot be read is passed over.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.errors import SlugkitError
from buildpack.support.values import value
from slugc.json_fields import Fields
from slugc.sources.left_out import LeftOut
from slugc.timeline import BuildStep

KEPT_OF_ONE = 20
"""Builds that are remembered of one output file."""
KEPT = 1000
"""Builds that are remembered in all."""

_NUMBER, _KEY = 12, 16  # digits in a file's name


class RecordIllegibleError(SlugkitError):
    """A record is not one of ours; it is passed over, nobody sees this."""

    id = "record-illegible"


@value
class BuildRecord:
    """One build that gave a slug."""

    checksum: str
    name: str
    """what the slug calls the app; may be empty"""
    app: str
    archive: str
    """where the slug was written: an absolute path"""
    built_at: str
    """in UTC, as ISO 8601"""
    duration: float
    """in seconds, like those of the steps"""
    size: int
    sandbox: str
    stack: str
    commit: str | None
    buildpacks: tuple[str, ...]
    python_version: str | None
    process_types: tuple[str, ...]
    steps: tuple[BuildStep, ...]
    """stage, detect/compile/release/report of each buildpack, pack"""
    reused: tuple[str, ...]
    """names of the layers that were not packed again"""
    left_out: LeftOut = LeftOut()
    source: str | None = None
    """the directory that was built; None for what came from elsewhere"""


def note_build(data_dir: Path, record: BuildRecord) -> None:
    """Remember a build, and forget the oldest of many."""
    builds = _builds(data_dir)
    with contextlib.suppress(FileExistsError):
        builds.mkdir(mode=0o700)  # it tells where people keep their apps
    names = sorted(os.listdir(builds), reverse=True)  # noqa: PTH208  # names are all we want
    newest = next((name for name in names if name[:_NUMBER].isdigit()), "0")
    number = int(newest.partition("-")[0]) + 1
    checksum = record.checksum.removeprefix("sha256:")[:_KEY]
    key = _output_key(record.archive)
    content = json.dumps(_document(record)).encode()
    temporary = builds / f".{os.getpid()}.{os.urandom(4).hex()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.rename(builds / f"{number:0{_NUMBER}d}-{key}-{checksum}")
    finally:
        temporary.unlink(missing_ok=True)
    _forget_many(builds, names, key)


def read_builds(data_dir: Path) -> tuple[BuildRecord, ...]:
    """All builds that are remembered, newest first."""
    return tuple(record for _, record in read_record_files(data_dir))


def read_record_files(data_dir: Path) -> tuple[tuple[Path, BuildRecord], ...]:
    """All builds that are remembered, newest first, and where."""
    found = ((path, _read(path)) for path in _record_files(data_dir))
    return tuple((path, record) for path, record in found if record is not None)


def find_build(data_dir: Path, checksum: str) -> BuildRecord | None:
    """The last build that gave the slug with that checksum."""
    digits = checksum.removeprefix("sha256:")[:_KEY]
    for path in _record_files(data_dir):
        if path.name.endswith(f"-{digits}"):
            record = _read(path)
            if record is not None and record.checksum == checksum:
                return record
    return None


def forget_output(data_dir: Path, archive: str) -> None:
    """Remove every record of the slugs that were written to ``archive``."""
    key = _output_key(archive)
    for path in _record_files(data_dir):
        if path.name[_NUMBER + 1 :].startswith(key):
            path.unlink(missing_ok=True)


def _builds(data_dir: Path) -> Path:
    return data_dir / "builds"


def _record_files(data_dir: Path) -> Iterator[Path]:
    builds = _builds(data_dir)
    try:
        names = os.listdir(builds)  # noqa: PTH208  # as above
    except FileNotFoundError:
        return
    for name in sorted(names, reverse=True):
        if name[:_NUMBER].isdigit():
            yield builds / name


def _output_key(archive: str) -> str:
    return hashlib.sha256(os.fsencode(archive)).hexdigest()[:_KEY]


def _forget_many(builds: Path, names: list[str], key: str) -> None:
    """``names`` are those before the newest, newest first."""
    ours = [name for name in names if name[_NUMBER + 1 :].startswith(key)]
    for name in {*ours[KEPT_OF_ONE - 1 :], *names[KEPT - 1 :]}:
        (builds / name).unlink(missing_ok=True)


def _document(record: BuildRecord) -> dict[str, object]:
    return {
        "checksum": record.checksum,
        "name": record.name,
        "app": record.app,
        "archive": record.archive,
        "built_at": record.built_at,
        "duration": round(record.duration, 6),
        "size": record.size,
        "sandbox": record.sandbox,
        "stack": record.stack,
        "commit": record.commit,
        "buildpacks": record.buildpacks,
        "python_version": record.python_version,
        "process_types": record.process_types,
        "steps": [
            {
                "name": step.name,
                "started": round(step.started, 6),
                "duration": round(step.duration, 6),
            }
            for step in record.steps
        ],
        "reused": record.reused,
        "left_out": dict(record.left_out.reasons),
        "left_out_count": record.left_out.count,
        "source": record.source,
    }


def _read(path: Path) -> BuildRecord | None:
    """None when it is gone by now, or was cut short by a full disk or a power cut."""
    try:
        fields = Fields(json.loads(path.read_bytes()), error=RecordIllegibleError)
        return _parse(fields)
    except (OSError, ValueError, RecordIllegibleError):
        return None


def _parse(fields: Fields) -> BuildRecord:
    return BuildRecord(
        checksum=fields.digest("checksum"),
        name=fields.text("name"),
        app=fields.text("app"),
        archive=fields.text("archive"),
        built_at=fields.text("built_at"),
        duration=_seconds(fields, "duration"),
        size=fields.number("size"),
        sandbox=fields.text("sandbox"),
        stack=fields.text("stack"),
        commit=fields.optional_text("commit"),
        buildpacks=_texts(fields, "buildpacks"),
        python_version=fields.optional_text("python_version"),
        process_types=_texts(fields, "process_types"),
        steps=tuple(
            BuildStep(
                name=step.text("name"),
                started=_seconds(step, "started"),
                duration=_seconds(step, "duration"),
            )
            for step in fields.each("steps")
        ),
        reused=_texts(fields, "reused"),
        left_out=_left_out(fields),
        source=fields.optional_text("source") if "source" in fields.mapping else None,
    )


def _left_out(fields: Fields) -> LeftOut:
    """Records of builds before there was such a thing have none."""
    if "left_out" not in fields.mapping:
        return LeftOut()
    reasons = fields.below("left_out").texts()
    return LeftOut(reasons=reasons, count=fields.number("left_out_count"))


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    values = fields.mapping.get(key)
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise fields.wrong(key, "a list of texts")
    return tuple(values)


def _seconds(fields: Fields, key: str) -> float:
    found = fields.mapping.get(key)
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found < 1e9:
        raise fields.wrong(key, "a number of seconds")
    return float(found)
