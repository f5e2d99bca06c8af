"""What the commands about a formation do: start -d, scale, restart. Each changes what is
wanted, then pokes the supervisor and tells what happens until all is as it should be."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from runner.app_lock import PATIENCE, app_dir, app_lock
from runner.app_option import OpenedApp
from runner.deploys.errors import NotDeployedError
from runner.logbook.place import log_dir
from runner.memory_budget import (
    find_demands,
    quota_warning,
    read_free,
    require_memory,
    uncounted,
)
from runner.release import Release
from runner.scaling import Step, changes_line, formation_line, of_release, scaled, web_first
from runner.state.database import cannot_be_written
from runner.state.values import WantedCount
from runner.supervision.client import (
    Event,
    NoAnswerYetError,
    SupervisorSilentError,
    ask,
    is_supervised,
    last_errors,
    supervisor_dir,
)
from runner.supervision.errors import NoSuchContainerError, NotRunningError, NotUpError
from runner.supervision.giving_back import scale_in_what_ends, surplus
from runner.supervision.poke import Settled, poke
from runner.supervision.table import ordered
from runner.supervision.telling import say, say_in_log, tell_event, telling_of_going_on
from runner.supervision.wanted import Settings, parse_settings, read_release
from slugc.procfile import ProcessType

USAGE_WAIT = 5.0  # seconds for what is good to know, and not needed
ANSWER_WAIT = 30.0  # seconds for what it need only say: it may be at a disk that hangs
LAST_LINES = 10  # of a container that did not come up

Formation = Mapping[ProcessType, WantedCount]


def change_formation(
    opened: OpenedApp,
    make_steps: Callable[[Formation], Sequence[Step]],
    *,
    patience: float = PATIENCE,
    settings: Settings | None = None,
    overcommit: bool = False,
) -> tuple[Formation, Formation]:
    """Change what is wanted, all of it or nothing; the formation before and after.

    With ``settings`` the app is to be kept running from now on. Raises NotEnoughMemoryError for
    what the machine cannot hold, unless it is to ``overcommit`` or nothing is kept running.
    """
    usages = _known_usages(opened)
    disk = uncounted((settings or known_settings(opened)).disk)
    will_run = settings is not None or opened.state.supervision(opened.app) is not None
    with app_lock(
        opened.state,
        opened.data_dir,
        opened.app,
        doing="scaling",
        who=opened.who,
        patience=patience,
        tell=say,
    ) as app:
        types = require_release(opened).slug.metadata.process_types
        before: Formation = {}

        def edit(current: Formation) -> Sequence[WantedCount]:
            nonlocal before
            before = dict(current)
            wanted = scaled(current, make_steps(current), types)
            if will_run and usages is not None:
                _check_memory(wanted, types, usages, disk=disk, overcommit=overcommit)
            return wanted

        try:
            after = opened.state.scale(app, edit)
        except sqlite3.OperationalError as err:
            if settings is not None or not cannot_be_written(err):
                raise
            names = surplus(read_containers(opened) or (), edit(opened.state.formation(app)))
            if not names:
                raise
            after = scale_in_what_ends(opened, names, edit)
        if settings is not None:
            opened.state.set_supervision(app, settings.as_json())
    if changes_line(before, after):
        said = ", ".join(
            f"{each.process_type}={each.quantity}" for each in web_first(after.values())
        )
        say_in_log(opened, f"Scale to {said} by {opened.who}")
    return before, after


def _known_usages(opened: OpenedApp) -> Sequence[Mapping[str, object]] | None:
    """What runs uses; None when there is a supervisor that cannot say it now.

    That must not keep anybody from changing what is wanted, which needs no supervisor.
    """
    try:
        return read_usages(opened, timeout=USAGE_WAIT) or ()
    except SupervisorSilentError:
        return None


def _check_memory(
    wanted: Sequence[WantedCount],
    types: Mapping[ProcessType, str],
    usages: Sequence[Mapping[str, object]],
    *,
    disk: int,
    overcommit: bool,
) -> None:
    starting = [count for count in wanted if count.process_type in types]
    demands = find_demands(starting, usages, disk=disk)
    if not demands:
        return
    free = read_free()
    if not overcommit:
        require_memory(demands, free)
    if warning := quota_warning(starting, usages, free):
        say(f" !     {warning}")


def require_release(opened: OpenedApp) -> Release:
    """What was deployed. Raises NotDeployedError and SlugGoneError."""
    release = read_release(opened.state, opened.data_dir, opened.app)
    if release is None:
        raise NotDeployedError(opened.app.name)
    return release


def known_settings(opened: OpenedApp) -> Settings:
    """What ``start -d`` was told last, while it holds."""
    found = opened.state.supervision(opened.app)
    return Settings() if found is None else parse_settings(found)


def poke_and_tell(opened: OpenedApp, request: Event | None = None) -> Settled | None:
    """Poke the supervisor, and tell on standard error what its containers do."""
    with telling_of_going_on(opened.app.name):
        return poke(opened.data_dir, opened.app, on_event=tell_event, request=request)


def require_up(opened: OpenedApp, settled: Settled | None) -> None:
    """Raise NotUpError unless all that is wanted is up."""
    if settled is not None and not settled.ok:
        names = [str(each["name"]) for each in settled.containers if each["state"] != "up"]
        raise NotUpError(opened.app.name, names, last=_last_lines(opened, names[:1]))


def _last_lines(opened: OpenedApp, names: Sequence[str]) -> Sequence[str]:
    """What the first of them wrote before it ended."""
    from runner.logbook.reader import Filter, LogReader  # few commands fail

    found: list[str] = []
    for name in names:
        wanted = Filter(names=(name,), source="app").wants
        with contextlib.closing(LogReader(log_dir(opened.data_dir, opened.app), wanted)) as reader:
            reader.start_at_last(LAST_LINES)
            found += [line.text for line in reader.lines()]
    return found[-LAST_LINES:]


def read_containers(opened: OpenedApp) -> Sequence[Mapping[str, object]] | None:
    """What the supervisor says there is; None when there is none. Raises SupervisorSilentError."""
    return _ask_for(opened, "containers", ANSWER_WAIT)


def read_usages(opened: OpenedApp, *, timeout: float) -> Sequence[Mapping[str, object]] | None:
    """What each container uses (runner/metrics/rows.py); None when there is no supervisor. Raises
    SupervisorSilentError."""
    return _ask_for(opened, "usage", timeout)


def _ask_for(opened: OpenedApp, what: str, timeout: float) -> Sequence[Mapping[str, object]] | None:
    directory = supervisor_dir(app_dir(opened.data_dir, opened.app))
    last = None
    if is_supervised(directory):
        try:
            last = ask(opened.app.name, directory, {"do": what}, timeout=timeout)
        except NoAnswerYetError:  # nothing is waited for but its words
            errors = last_errors(directory)
            raise SupervisorSilentError(opened.app.name, timeout, errors) from None
    containers = None if last is None else last.get("containers")
    return containers if isinstance(containers, list) else None


def restart(
    opened: OpenedApp, words: Sequence[str], *, doing: str, at_once: bool = False
) -> Settled:
    """Replace the containers that ``words`` name; all without words.

    ``doing`` is said first, of containers that are there; ``at_once`` kills them, without time to
    end. Raises NotRunningError and NoSuchContainerError.
    """
    containers = read_containers(opened)
    if containers is None and (words or opened.state.supervision(opened.app) is None):
        raise NotRunningError(opened.app.name)
    names = [str(each["name"]) for each in ordered(containers or ())]
    require_named(opened.app.name, words, names)
    say(doing)
    say_in_log(opened, f"Restart of {', '.join(words) or 'all'} by {opened.who}")
    do = "kill" if at_once else "restart"
    # Where keeper and supervisor were killed all containers are started anyway, once.
    request = None if containers is None else {"do": do, "names": list(words)}
    settled = poke_and_tell(opened, request)
    return settled or Settled(ok=True, containers=())


def require_named(app: str, words: Sequence[str], names: Sequence[str]) -> None:
    """Raise NoSuchContainerError unless every word is a container's name or process type."""
    for word in words:
        if word not in names and word not in {name.rpartition(".")[0] for name in names}:
            raise NoSuchContainerError(app, word, names)


def describe(counts: Formation, types: Mapping[ProcessType, str]) -> str:
    """``web at 2:standard-1x, worker at 1:standard-1x``: what of a formation a release has."""
    line = formation_line(of_release(counts, types).values())
    return ", ".join(word.replace("=", " at ", 1) for word in line.split()) or "nothing"
