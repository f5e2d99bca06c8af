"""Every app of fixtures/ through bin/compile: all that a person sees, from the first line on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.compiling import in_plain_text
from tests.api.nltk_index import serving_nltk_data
from tests.api.outputs import Machine, comparable, has_its_python
from tests.planning import plan_text
from tests.stories import (
    BUILD,
    STORIES,
    Failure,
    Story,
    compare_snapshot,
    is_updating,
    write_failure,
)

REFUSED = [name for name, story in STORIES.items() if story.is_refused]
BUILT = [name for name, story in STORIES.items() if story.can_be_planned and has_its_python(story)]


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.mark.network
@pytest.mark.parametrize("name", BUILT)
def test_the_output_is_the_one_in_the_snapshot(name: str, machine: Machine, tmp_path: Path) -> None:
    story = STORIES[name]
    app = story.copy_to(tmp_path / "app")
    if story.lock:
        machine.lock(story, app)
        compare_snapshot("plans", f"{name}.json", plan_text(story, app))
    with surroundings(story, tmp_path) as more:
        done = machine.compile(story, app, **more)
    text = comparable(done.text, app)
    compare_snapshot("builds", f"{name}.txt", text)
    assert done.code == (1 if story.failure else 0), text
    assert not [name for name in secrets(story) if story.env[name] in done.text]
    if story.failure:
        check_end(story, in_plain_text(text), done.report)


@contextmanager
def surroundings(story: Story, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """What a build finds beside the package index: the config vars that say where."""
    if (story.directory / "nltk.txt").exists():
        (tmp_path / "nltk").mkdir()
        with serving_nltk_data(tmp_path / "nltk") as config_vars:
            yield config_vars
    else:
        yield {}


def secrets(story: Story) -> list[str]:
    return [name for name in story.env if name.endswith(("_KEY", "_TOKEN", "_PASSWORD"))]


def check_end(story: Story, message: str, report: dict[str, object]) -> None:
    """The last words, and the same in the report."""
    found = Failure(
        phase=BUILD, id=str(report["failure_reason"]), text=message.removeprefix("Error: ")
    )
    write_failure(story, found)
    assert is_updating() or found == story.failure
    assert found.id != "internal-error::unhandled"
    assert report["failure_detail"] == found.text.splitlines()[0]


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_done_before_the_app_is_refused(
    name: str, machine: Machine, tmp_path: Path
) -> None:
    story = STORIES[name]
    app = story.copy_to(tmp_path / "app")
    before = sorted(app.rglob("*"))
    done = machine.compile(story, app)
    assert story.failure is not None
    assert done.code == 1
    assert done.text.startswith("\n !     Error: ")
    assert in_plain_text(comparable(done.text, app)) == f"Error: {story.failure.text}"
    assert done.report["failure_reason"] == story.failure.id
    assert sorted(app.rglob("*")) == before
