"""All tasks of an app: those that were added, and those its current release brings along."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import SlugkitError
from buildpack.support.values import changed, value
from runner.deploys.kept_slugs import KeptSlugs
from runner.schedule.task import Task, name_for, parse_task
from runner.state.schedule import ScheduleState
from runner.state.state import State
from runner.state.values import App
from slugc.slug import Slug


@value
class Tasks:
    """By name."""

    all: Mapping[str, Task]
    problem: SlugkitError | None = None
    """why the release's own tasks are not among them"""


class TaskReader:
    """Reads tasks again and again; a release's once."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._known: tuple[str, tuple[Task, ...]] | None = None

    def read(self, state: State, app: App) -> Tasks:
        """What is wrong with the release's tasks is not raised: the others are not to wait."""
        added = ScheduleState(state, app).tasks()
        found = {name: parse_task(name, each) for name, each in added.items()}
        try:
            released = self._released(state, app)
        except SlugkitError as err:
            return Tasks(all=found, problem=err)
        for task in released:
            name = task.name if task.name not in found else name_for((task.name,), found)
            found[name] = changed(task, name=name)
        return Tasks(all=found)

    def _released(self, state: State, app: App) -> tuple[Task, ...]:
        current = state.current(app)
        if current is None or current.slug is None:
            return ()
        if self._known is None or self._known[0] != current.slug:
            of = f"{app.name} {current.label}"
            tasks = read_release_tasks(
                self._data_dir, KeptSlugs(self._data_dir).read(current.slug, of=of)
            )
            self._known = (current.slug, tasks)
        return self._known[1]


def read_release_tasks(data_dir: Path, slug: Slug) -> tuple[Task, ...]:
    """The tasks of a slug's app.json. Raises AppJsonCronError, and what unpacking does."""
    # What an app without tasks does not need is not loaded: supervisors are to stay small.
    from runner.app_json.cron import read_cron
    from slugc.store import Store

    with Store(data_dir / "store").layers_in_use(slug) as layers:
        return read_cron(layers)
