"""``scale`` where there is no room to write it down: what ends gives back what it has taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from buildpack.support.errors import ExitCode, SlugkitError
from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.state.errors import NOT_WRITTEN, StateBusyError, StateFileError
from runner.state.state import opened_state
from runner.state.values import WantedCount
from runner.supervision.client import ask, supervisor_dir
from runner.supervision.telling import tell_event
from slugc.procfile import ProcessType

Formation = Mapping[ProcessType, WantedCount]


class ScaleNotNotedError(SlugkitError):
    """Containers have been stopped, and the state file still has them as wanted."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "scale-not-noted"

    def __init__(
        self, app: str, names: Sequence[str], why: StateFileError | StateBusyError
    ) -> None:
        self.app, self.names, self.why = app, tuple(names), why
        were = "was" if len(names) == 1 else "were"
        super().__init__(
            f"{', '.join(names)} {were} stopped, and that could not be written down",
            details=f"{why.found}\nThe next deploy, scale, restart or change of config vars starts"
            " what was wanted\nbefore.",
            resolution=f"{why.remedy}, then scale {app} once more.",
        )


def surplus(
    containers: Sequence[Mapping[str, object]], wanted: Sequence[WantedCount]
) -> Sequence[str]:
    """The names of the containers that have no place in what is wanted."""
    most = {str(each.process_type): each.quantity for each in wanted}
    names = dict.fromkeys(str(each["name"]) for each in containers)  # two while one is replaced
    return [name for name in names if _ordinal(name) > most.get(name.rpartition(".")[0], 0)]


def _ordinal(name: str) -> int:
    return int(name.rpartition(".")[2])


def scale_in_what_ends(
    opened: OpenedApp, names: Sequence[str], edit: Callable[[Formation], Sequence[WantedCount]]
) -> Formation:
    """End the containers with those ``names``, then write down that they are wanted no more.

    Raises ScaleNotNotedError when there is no room even then.
    """
    directory = supervisor_dir(app_dir(opened.data_dir, opened.app))
    ask(opened.app.name, directory, {"do": "end", "names": list(names)}, on_event=tell_event)
    try:
        with opened_state(opened.data_dir) as state:
            return state.scale(opened.app, edit)
    except NOT_WRITTEN as err:
        raise ScaleNotNotedError(opened.app.name, names, err) from err
