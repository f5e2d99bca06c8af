"""The stories in fixtures/ about Python versions: each one's whole plan, or its whole message."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.plan import plan_build
from buildpack.python_version import parse_exact_version, read_policy
from buildpack.settings import BuildSettings
from buildpack.support.errors import SlugkitError
from buildpack.version_warnings import version_warnings

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
STORIES = sorted(
    path.parent
    for pattern in ("python_version_*", "runtime_txt*", "requires_python*", "pyproject_[sm]*")
    for path in FIXTURES.glob(f"{pattern}/expected.txt")
)
# What is supported changes with time; these stories happen on one day.
POLICY = read_policy({}, date(2026, 11, 22))
TOLD = ("python_version", "requires_python")


def outcome(directory: Path) -> str:
    """What the plan says about Python, and its warnings; or the message of the error, with its id.

    Warned is as if the newest patch release were there, or the one that was asked for.
    """
    try:
        plan = plan_build(App(root=directory), BuildSettings(), {}, POLICY)
    except SlugkitError as err:
        return f"{getattr(err, 'reason_id', err.id)}\n\n{err.text()}\n"
    told = {name: value for name, value in plan.as_json().items() if name.startswith(TOLD)}
    first = plan.python.allowed.wanted[0]
    version = POLICY.known[first].latest if first in POLICY.known else parse_exact_version(first)
    warnings = version_warnings(plan.python, version, POLICY)
    said = [json.dumps(told, indent=2, sort_keys=True), *(f"Warning: {text}" for text in warnings)]
    return "\n\n".join(said) + "\n"


@pytest.mark.parametrize("directory", STORIES, ids=[directory.name for directory in STORIES])
def test_the_story_ends_as_it_is_written(directory: Path) -> None:
    expected = directory / "expected.txt"
    if os.environ.get("UPDATE_FIXTURES"):
        expected.write_text(outcome(directory))
    assert outcome(directory) == expected.read_text()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 30
