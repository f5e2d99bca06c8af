"""What can be wrong with what is asked of a schedule."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from buildpack.support.errors import UsageError, printable


class NoSuchTaskError(UsageError):
    """No task has that name."""

    id = "no-such-task"

    def __init__(self, app: str, name: str, names: Sequence[str]) -> None:
        self.app, self.name, self.names = app, name, tuple(names)
        nearest = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        there = f"It has: {', '.join(names)}." if names else "It has none yet."
        super().__init__(
            f"{app} has no scheduled task called '{printable(name)}'",
            details=f"{hint}{there}",
            resolution=f"slug-run schedule --app {app} lists them.",
        )


class TaskExistsError(UsageError):
    """The name is taken."""

    id = "task-exists"

    def __init__(self, app: str, name: str) -> None:
        self.app, self.name = app, name
        super().__init__(
            f"{app} has a scheduled task called '{name}' already",
            resolution="Choose another name, or remove that one:\n\n"
            f"    slug-run schedule remove {name} --app {app}",
        )


class TaskOfReleaseError(UsageError):
    """The task stands in app.json, so the next release would have it again."""

    id = "task-of-release"

    def __init__(self, app: str, name: str) -> None:
        self.app, self.name = app, name
        super().__init__(
            f"{name} comes with {app}'s release and cannot be removed by command",
            details="It stands in the app's app.json, under cron.",
            resolution="Remove it there and deploy, or pause it:\n\n"
            f"    slug-run schedule pause {name} --app {app}",
        )


class TooManyTasksError(UsageError):
    """One more than there may be."""

    id = "too-many-tasks"

    def __init__(self, app: str, most: int) -> None:
        self.app, self.most = app, most
        super().__init__(
            f"{app} has {most} scheduled tasks already",
            resolution="Remove one: slug-run schedule remove NAME",
        )
