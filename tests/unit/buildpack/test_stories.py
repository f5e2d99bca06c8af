"""Every app of fixtures/: its whole plan, or the whole message that says why there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from buildpack.support.errors import SlugkitError
from tests.planning import plan_text
from tests.stories import ROOT, SNAPSHOTS, STORIES, compare_failure, compare_snapshot

PLANNED = [name for name, story in STORIES.items() if story.can_be_planned and not story.lock]
REFUSED = [name for name, story in STORIES.items() if story.is_refused]


@pytest.mark.parametrize("name", PLANNED)
def test_the_plan_is_the_one_in_the_snapshot(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    compare_snapshot("plans", f"{name}.json", plan_text(story, story.copy_to(tmp_path / "app")))


@pytest.mark.parametrize("name", REFUSED)
def test_the_story_ends_with_these_words_and_this_id(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    app_dir = story.copy_to(tmp_path / "app")
    with pytest.raises(SlugkitError) as caught:
        plan_text(story, app_dir)
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
