"""What a Procfile says that other platforms, or this one, take for something else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.support.errors import SlugkitError
from buildpack.support.procfile import TypePlace, process_type_places
from slugc.linting.finding import Finding, Severity, findings_of
from slugc.procfile import MAX_BYTES, PROCFILE, ProcessType, ProcfileError, read_procfile
from slugc.small_file import read_small_file

# Words that slug-run takes, or keeps, for its commands (a test compares): a process type called
# like one is started with `slug-run start NAME`.
RUNNER_COMMANDS = frozenset(
    {"addons", "apps", "completion", "config", "console", "deploy", "doctor", "drains", "engine",
     "events", "exec", "explain", "help", "logs", "maintenance", "plan", "promote", "ps",
     "releases", "restart", "rollback", "run", "scale", "schedule", "service", "shell", "start",
     "stop", "top", "version", "wait"}
)  # fmt: skip
RELEASE = ProcessType("release")
CONSOLE = ProcessType("console")  # which the command of that name runs

# Who refuses names that hold one of these.
_UNPORTABLE = (
    ("-", "Scalingo and Heroku's local runner take no '-' in it"),
    ("_", "Kubernetes takes no '_' in a name"),
)
_FIXED_PORT = re.compile(
    r"(?:--bind|--port|--http|-b|-p)[ =](?:\S*:)?(\d{2,5})\b|runserver \S*?(\d{2,5})\b"
)
_DEVELOPMENT = re.compile(r"manage\.py runserver\b|\bflask\b.* run\b|--reload\b|--debug\b")
_BACKGROUND = re.compile(r"&\s*$|^nohup\b|\s--?daemon(ize)?\b")


def lint_procfile(top: Path) -> Iterator[Finding]:
    """What is wrong with the Procfile, or unwise."""
    warned: list[str] = []
    try:
        types = read_procfile(top, warn=warned.append)
    except ProcfileError as err:
        yield from findings_of(PROCFILE, err.problems, err.id)
        return
    except SlugkitError as err:
        yield Finding(severity=Severity.ERROR, id=err.id, text=err.brief, file=PROCFILE)
        return
    if types is None:
        return
    content = read_small_file(top, PROCFILE, limit=MAX_BYTES) or b""
    places = process_type_places(content)
    if content.startswith(b"\xef\xbb\xbf"):
        yield _warning("byte-order-mark", "it begins with a byte order mark", TypePlace(line=1))
    for kind, command in types.items():
        yield from _of_name(kind, places[kind])
        yield from _of_command(kind, command, places[kind])
    yield from _of_all(types)


def _of_name(kind: ProcessType, place: TypePlace) -> Iterator[Finding]:
    for character, who in _UNPORTABLE:
        if character in kind:
            yield _warning("type-not-portable", f"'{kind}' does not work everywhere: {who}", place)
    if kind != kind.lower():
        text = f"'{kind}' does not work everywhere: Kubernetes takes lower-case names only"
        yield _warning("type-not-portable", text, place)
    if kind in RUNNER_COMMANDS and kind != CONSOLE:
        text = f"'{kind}' is a command of slug-run too; to start it: slug-run start {kind}"
        yield _warning("type-is-command", text, place)


def _of_command(kind: ProcessType, command: str, place: TypePlace) -> Iterator[Finding]:
    at = TypePlace(line=place.line, column=place.command)
    fixed = _FIXED_PORT.search(command)
    if kind == "web" and fixed and "PORT" not in command:
        port = fixed[1] or fixed[2]
        text = f"web listens on port {port}; requests come to the port that $PORT names"
        yield _warning("fixed-port", text, at, fixed.start())
    if (found := _DEVELOPMENT.search(command)) and kind != RELEASE:
        text = f"'{found[0].strip()}' is for development: slow, and open to who finds it"
        yield _warning("development-server", text, at, found.start())
    if found := _BACKGROUND.search(command):
        text = f"'{kind}' goes to the background: its container ends as soon as it has started"
        yield _warning("background", text, at, found.start())


def _of_all(types: Mapping[ProcessType, str]) -> Iterator[Finding]:
    if set(types) == {RELEASE}:
        text = "it names 'release' alone, which runs once before the others: there are none"
        yield Finding(severity=Severity.WARNING, id="only-release", text=text, file=PROCFILE)


def _warning(id: str, text: str, place: TypePlace, after: int = 0) -> Finding:  # noqa: A002  # its name
    return Finding(
        severity=Severity.WARNING,
        id=id,
        text=text,
        file=PROCFILE,
        line=place.line,
        column=place.column + after,
    )
