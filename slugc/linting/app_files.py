"""The other files that say how an app is built and run: .env, app.json, .buildpacks, its lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from buildpack.support.env_file import EnvFileError, parse_env_file
from buildpack.support.errors import SlugkitError
from slugc.buildpacks.choice import (
    APP_JSON,
    LIST_FILE,
    BuildpackListError,
    Choice,
    choose_buildpacks,
    parse_named,
    read_app_json,
    read_list_file,
)
from slugc.buildpacks.lock import BuildpackLockedError, read_lock, restricted
from slugc.buildpacks.places import LOCK_FILE, installed_specs, known_names
from slugc.buildpacks.spec import Known
from slugc.linting.finding import Finding, Severity, findings_of
from slugc.linting.json_place import find_place, shown_place
from slugc.linting.own_runner import ASKED, ask_own_runner
from slugc.procfile import ProcfileError, is_process_type, read_procfile
from slugc.small_file import SmallFileError, read_small_file
from slugc.sources.trusted import Trusted, parse_trusted

ENV_FILE = ".env"
MAX_BYTES = 1024 * 1024


def lint_env_file(top: Path) -> Iterator[Finding]:
    """.env: builds do not read it, ``slug-run`` does."""
    try:
        content = read_small_file(top, ENV_FILE, limit=MAX_BYTES)
        if content is not None:
            parse_env_file(content, ENV_FILE)
    except EnvFileError as err:
        yield from findings_of(ENV_FILE, err.problems, err.id, Severity.WARNING)
    except SmallFileError as err:
        yield _whole(ENV_FILE, err, Severity.WARNING)


def lint_app_json(top: Path) -> Iterator[Finding]:
    """app.json: what is not as https://devcenter.heroku.com/articles/app-json-schema has it."""
    try:
        read_app_json(top)
        content = read_small_file(top, APP_JSON, limit=MAX_BYTES) or b"{}"
    except BuildpackListError as err:
        yield from findings_of(APP_JSON, err.problems, err.id)
        return
    except SmallFileError as err:
        yield _whole(APP_JSON, err)
        return
    text = content.decode("utf-8-sig")
    document = json.loads(text)
    if not isinstance(document, dict):
        yield Finding(severity=Severity.ERROR, id="app-json", text="not an object", file=APP_JSON)
        return
    for key, check in _CHECKS.items():
        if key in document:
            for below, what in check(document[key]):
                yield _in_json(text, key, below, what)
    if ASKED & document.keys():
        yield from ask_own_runner(content, text)
    yield from _formation_without_process(top, text, document.get("formation"))


def lint_buildpacks(
    top: Path, data_dir: Path, env: Mapping[str, str]
) -> tuple[Choice | None, list[Finding]]:
    """Which buildpacks build the app, if that can be told, and what is wrong with who says so."""
    trusted = parse_trusted((), env=env, cwd=top)
    findings = list(_lint_list(top, known_names(data_dir, env), trusted))
    try:
        choice = choose_buildpacks(
            None,
            top,
            installed=installed_specs(data_dir),
            known=lambda: known_names(data_dir, env),
            trusted=trusted,
        )
    except SlugkitError as err:
        if isinstance(err, BuildpackListError) and err.name == APP_JSON:
            findings += findings_of(APP_JSON, err.problems, err.id)
        return None, findings
    if choice.unused:
        text = f"it is not asked for buildpacks: {choice.origin} comes first"
        findings.append(
            Finding(severity=Severity.NOTE, id="not-asked", text=text, file=choice.unused[0])
        )
    return choice, [*findings, *_lint_lock(top, choice)]


def _lint_list(top: Path, known: Known, trusted: Trusted) -> Iterator[Finding]:
    if not (top / LIST_FILE).exists():
        return
    try:
        parse_named(LIST_FILE, read_list_file(top), top, known, trusted)
    except BuildpackListError as err:
        yield from findings_of(LIST_FILE, err.problems, err.id)
    except SmallFileError as err:
        yield _whole(LIST_FILE, err)


def _lint_lock(top: Path, choice: Choice) -> Iterator[Finding]:
    try:
        restricted(choice, read_lock(top))
    except BuildpackLockedError as err:
        text = f"{err.details} To lock what is there now: slugc buildpacks lock --update"
        yield Finding(severity=Severity.ERROR, id=err.id, text=text, file=LOCK_FILE)
    except SlugkitError as err:
        yield _whole(LOCK_FILE, err)


def _whole(file: str, err: SlugkitError, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(severity=severity, id=err.id, text=err.details or err.brief, file=file)


Wrong = Iterator[tuple[str, str]]
"""What is wrong: a key below, and the words."""


def _check_env(found: object) -> Wrong:
    if not isinstance(found, dict):
        yield "", "is not an object"
        return
    for name, value in found.items():
        if isinstance(value, str):
            continue
        if not isinstance(value, dict):
            yield name, "is neither a text nor an object"
            continue
        if value.get("generator", "secret") != "secret":
            yield name, "has a 'generator' other than 'secret'"
        if not isinstance(value.get("value", ""), str):
            yield name, "has a 'value' that is no text"
        if not isinstance(value.get("required", True), bool):
            yield name, "has a 'required' that is neither true nor false"


def _check_formation(found: object) -> Wrong:
    if not isinstance(found, dict):
        yield "", "is not an object"
        return
    for name, value in found.items():
        if not is_process_type(name):
            yield name, "is no process type"
        quantity = value.get("quantity", 0) if isinstance(value, dict) else None
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 0:
            yield name, "has no 'quantity' that is a whole number from 0"


def _check_text(found: object) -> Wrong:
    if not isinstance(found, str):
        yield "", "is not a text"


def _check_scripts(found: object) -> Wrong:
    if not isinstance(found, dict):
        yield "", "is not an object"
        return
    yield from (
        (name, "is not a text") for name, line in found.items() if not isinstance(line, str)
    )


_CHECKS: Mapping[str, Callable[[object], Wrong]] = {
    "name": _check_text,
    "stack": _check_text,
    "env": _check_env,
    "formation": _check_formation,
    "scripts": _check_scripts,
}


def _formation_without_process(top: Path, text: str, formation: object) -> Iterator[Finding]:
    try:
        types = read_procfile(top)
    except (ProcfileError, SlugkitError):
        return  # said of the Procfile
    if types is None or not isinstance(formation, dict):
        return
    for name in formation:
        if is_process_type(name) and name not in types:
            yield _in_json(text, "formation", name, "is not in the Procfile")


def _in_json(text: str, key: str, below: str, what: str) -> Finding:
    """No error: Heroku refuses such a file, but builds here read its buildpacks alone."""
    place = (key, below) if below else (key,)
    line, column = find_place(text, place)
    return Finding(
        severity=Severity.WARNING,
        id="app-json",
        text=f"'{shown_place(place)}' {what}",
        file=APP_JSON,
        line=line,
        column=column,
    )
