"""``cron`` in an app's app.json: tasks that come and go with the release.

Dokku's format (https://dokku.com/docs/appendices/file-formats/app-json/), and some keys more.
Unlike there, a task never runs twice at once unless it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from buildpack.support.errors import UsageError, printable
from runner.amounts import parse_time_limit
from runner.app_json.document import AppJsonError, Remark, parse_document, read_app_json
from runner.schedule.task import START_WITHIN, TIMEOUT, Overlap, Task, name_for, require_name
from runner.schedule.times import Rhythm, require_times
from runner.schedule.zones import DEFAULT_ZONE, require_zone
from runner.sizes import find_size

MOST_TASKS = 100
_KEYS = ("command", "schedule", "name", "timezone", "concurrency_policy", "maintenance", "size",
         "timeout", "start_within")  # fmt: skip

Parsed = TypeVar("Parsed")


class AppJsonCronError(AppJsonError):
    """The app's own schedule cannot be understood."""

    id = "app-json-cron"
    headline = "The scheduled tasks in app.json cannot be used"
    example = (
        '"cron": [{"command": "python manage.py clearsessions", "schedule": "0 3 * * *",\n'
        '              "timezone": "Europe/Berlin"}]'
    )
    keys = ("cron",)


def read_cron(layers: Sequence[Path]) -> tuple[Task, ...]:
    """The tasks of the app whose unpacked layers these are. Raises AppJsonCronError."""
    return parse_cron(read_app_json(layers, AppJsonCronError))


def parse_cron(content: bytes) -> tuple[Task, ...]:
    """The tasks of an app.json. Raises AppJsonCronError with all that is wrong with them."""
    cron = parse_document(content, AppJsonCronError).get("cron")
    if cron is None:
        return ()
    if not isinstance(cron, list):
        raise AppJsonCronError([_problem("is not a list.")])
    if len(cron) > MOST_TASKS:
        raise AppJsonCronError([_problem(f"has {len(cron)} tasks; at most {MOST_TASKS} may be.")])
    tasks: dict[str, Task] = {}
    problems: list[Remark] = []
    given = {str(each.get("name", "")) for each in cron if isinstance(each, dict)}
    for index, entry in enumerate(cron):
        reader = _Entry(index, entry, problems)
        task = reader.task(taken={*tasks, *given})
        if task is not None and task.name in tasks:
            problems.append(_problem(f"is '{task.name}', as that of another task.", index, "name"))
        elif task is not None:
            tasks[task.name] = task
    if problems:
        raise AppJsonCronError(problems)
    return tuple(tasks.values())


class _Entry:
    """One object of the list; what is wrong with it is added to ``problems``."""

    def __init__(self, index: int, entry: object, problems: list[Remark]) -> None:
        self._index, self._problems = index, problems
        self._found: Mapping[str, object] = entry if isinstance(entry, dict) else {}
        if not isinstance(entry, dict):
            self._wrong("", "is not an object.")
        for key in self._found:
            if key not in _KEYS:
                self._wrong(key, f"is not known. Keys: {', '.join(_KEYS)}.")

    def task(self, *, taken: set[str]) -> Task | None:
        """None where something is wrong."""
        before = len(self._problems)
        command = self._text("command", None, _require_command)
        times = self._text("schedule", None, require_times)
        zone = self._text("timezone", DEFAULT_ZONE, require_zone)
        name = self._text("name", "", require_name)
        overlap = self._text("concurrency_policy", Overlap.FORBID, _require_overlap)
        size = self._text("size", "", lambda text: find_size(text).name)
        timeout = self._text("timeout", f"{TIMEOUT:g}", parse_time_limit)
        within = self._text("start_within", f"{START_WITHIN:g}", parse_time_limit)
        is_off = self._found.get("maintenance", False)
        if not isinstance(is_off, bool):
            self._wrong("maintenance", "is neither true nor false.")
        if len(self._problems) > before or command is None or times is None or not self._found:
            return None
        return Task(
            name=name or name_for((command,), taken),
            rhythm=Rhythm(times=times, zone=zone or DEFAULT_ZONE),
            words=(command,),
            overlap=overlap or Overlap.FORBID,
            size=size or find_size("").name,
            timeout=timeout,
            start_within=START_WITHIN if within is None else within,
            is_of_release=True,
            is_off=bool(is_off),
        )

    def _text(self, key: str, default: str | None, parse: Callable[[str], Parsed]) -> Parsed | None:
        found = self._found.get(key, default)
        if key == "name" and found == "":
            return None
        if not isinstance(found, str):
            self._wrong(key, "is missing." if found is None else "is not a text.")
            return None
        try:
            return parse(found)
        except UsageError as err:
            more = err.details.replace("\n", " ")
            self._wrong(key, f"cannot be used: {err.brief}.{' ' + more if more else ''}")
            return None

    def _wrong(self, key: str, text: str) -> None:
        if self._found or not key:
            self._problems.append(_problem(text, self._index, *((key,) if key else ())))


def _problem(what: str, *below: str | int) -> Remark:
    return Remark(place=("cron", *below), what=what)


def _require_command(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise UsageError("It is empty, or holds a NUL")
    return text


def _require_overlap(text: str) -> Overlap:
    try:
        return Overlap(text)
    except ValueError as err:
        raise UsageError(f"'{printable(text)}' is none of {', '.join(Overlap)}") from err
