"""Which Python the last build of the app had: kept in the cache directory, whatever the stack."""

from __future__ import annotations

import json
import re
from pathlib import Path

from buildpack.support import files
from buildpack.support.values import value
from buildpack.versions.python_version import PythonVersion

FILE = "last-python.json"
HEROKU_FILE = ".heroku/python-version"
"""Where Heroku's buildpack keeps it: an app that comes with its cache keeps its version too."""


@value
class LastVersion:
    """The minor version of the last build, and what was the default when the app first had it."""

    series: str
    default: str


def read_last_version(cache_dir: Path) -> LastVersion | None:
    """What the last successful build wrote; None before the first."""
    facts = _read_own(cache_dir / FILE)
    if facts is not None:
        return facts
    try:
        text = (cache_dir / HEROKU_FILE).read_text("utf-8", "replace")
    except OSError:
        return None  # As for almost every app: there is none.
    match = re.fullmatch(r"(?:python-)?(3\.\d{1,2})\.\d{1,2}", text.strip(), re.ASCII)
    return LastVersion(series=match[1], default=match[1]) if match else None


def _read_own(file: Path) -> LastVersion | None:
    try:
        facts = json.loads(file.read_text("utf-8"))
        series, default = str(facts["series"]), str(facts["default"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # Not there, or of another version of ours: then it is the first build again.
    is_series = re.fullmatch(r"\d{1,2}\.\d{1,2}", series, re.ASCII) is not None
    return LastVersion(series=series, default=default) if is_series else None


def write_last_version(cache_dir: Path, version: PythonVersion, default: str) -> None:
    """Remember what a successful build used; ``default`` is today's default series.

    As long as the app stays with one series, the default of its first build with it is kept: so
    that every build can tell that the default has moved on.
    """
    last = read_last_version(cache_dir)
    if last is not None and last.series == version.series:
        default = last.default
    facts = {"series": version.series, "default": default}
    if _read_own(cache_dir / FILE) != LastVersion(series=version.series, default=default):
        files.write_atomically(cache_dir / FILE, json.dumps(facts, sort_keys=True))
