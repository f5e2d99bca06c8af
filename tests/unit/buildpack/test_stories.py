"""Every app of fixtures/: its whole plan, or the whole message that says why there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.config_vars import check_config_vars
from buildpack.plan import BuildPlan, plan_build
from buildpack.python_version import parse_exact_version, read_policy
from buildpack.settings import open_app, read_settings
from buildpack.support.errors import SlugkitError
from buildpack.version_warnings import version_warnings
from tests.stories import DAY, ROOT, SNAPSHOTS, STORIES, Story, compare_failure, compare_snapshot

PLANNED = [name for name, story in STORIES.items() if story.can_be_planned and not story.lock]
REFUSED = [name for name, story in STORIES.items() if story.is_refused]


def plan(story: Story, app_dir: Path) -> BuildPlan:
    """What bin/compile decides, on the day of the stories."""
    check_config_vars(story.env)
    settings = read_settings({}, story.env)
    app = open_app(app_dir, settings)
    return plan_build(app, settings, story.env, read_policy(story.env, DAY))


def as_text(found: BuildPlan, env: Mapping[str, str]) -> str:
    """The plan and its warnings.

    Warned is as if the newest patch release were there, or the one that was asked for.
    """
    policy = read_policy(env, DAY)
    first = found.python.allowed.wanted[0]
    version = policy.known[first].latest if first in policy.known else parse_exact_version(first)
    warnings = (*version_warnings(found.python, version, policy), *found.dependencies.warnings)
    told = {**found.as_json(), "warnings": [text.splitlines() for text in warnings]}
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", PLANNED)
def test_the_plan_is_the_one_in_the_snapshot(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    found = plan(story, story.copy_to(tmp_path / "app"))
    compare_snapshot("plans", f"{name}.json", as_text(found, story.env))


@pytest.mark.parametrize("name", REFUSED)
def test_the_story_ends_with_these_words_and_this_id(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    app_dir = story.copy_to(tmp_path / "app")
    with pytest.raises(SlugkitError) as caught:
        plan(story, app_dir)
    compare_failure(story, caught.value)


def test_the_command_shows_the_same_plan() -> None:
    argv = (sys.executable, "-m", "buildpack", "plan", str(STORIES["flask_hello"].directory))
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True, timeout=30)
    snapshot = json.loads((SNAPSHOTS / "plans" / "flask_hello.json").read_bytes())
    del snapshot["warnings"]
    assert json.loads(done.stdout) == snapshot


@pytest.mark.parametrize("kind", ["plans", "builds"])
def test_every_snapshot_belongs_to_a_story(kind: str) -> None:
    names = {path.stem for path in (SNAPSHOTS / kind).iterdir()}
    assert names <= set(STORIES)


def test_there_are_more_stories_than_heroku_has() -> None:
    assert len(STORIES) > 77
    assert len({story.story for story in STORIES.values()}) == len(STORIES)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_one_sentence(name: str) -> None:
    text = STORIES[name].story
    assert text.endswith(".")
    assert len(text) < 160
