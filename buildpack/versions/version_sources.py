"""Every place that says something about the Python version, read in one go."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping

from buildpack.app import App
from buildpack.hostile_text import loads_toml
from buildpack.installers.base import Dependencies, PythonRequirement
from buildpack.support.errors import Problem
from buildpack.versions.last_version import LastVersion
from buildpack.versions.python_specifier import SpecifierError, parse_specifier
from buildpack.versions.python_version import VersionOrigin, VersionPolicy, VersionSource
from buildpack.versions.version_errors import (
    InvalidLockVersionError,
    InvalidRequiresPythonError,
    InvalidTomlError,
)
from buildpack.versions.version_file import parse_request, read_version_files

PYPROJECT = "pyproject.toml"
REQUIRES = "requires-python"
AT_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_version_sources(
    app: App, dependencies: Dependencies, last: LastVersion | None, policy: VersionPolicy
) -> tuple[VersionSource, ...]:
    """All of them, the one that counts most first. Raises for what cannot be read."""
    limits = unique((*read_requires_python(app), *dependency_limits(dependencies)))
    check_limits(limits)
    return (
        *read_version_files(app, policy),
        *read_lock_version(dependencies),
        *limits,
        *read_last_build(last),
    )


def read_last_build(last: LastVersion | None) -> Iterator[VersionSource]:
    """The minor version of the last build, which stays until somebody says otherwise."""
    if last is not None:
        origin = VersionOrigin.LAST_BUILD
        yield VersionSource(
            origin=origin, value=last.series, requested=parse_request(last.series, origin)
        )


def read_lock_version(dependencies: Dependencies) -> Iterator[VersionSource]:
    """An exact version in the lock file; only Pipenv's has one."""
    value = dependencies.python_version
    if not value:
        return
    content = dependencies.inputs.get(dependencies.source, b"").decode("utf-8", "replace")
    line, key = find_json_key(content, ("python_full_version", "python_version"), value)
    requested = parse_request(value, VersionOrigin.LOCK_FILE)
    if requested is None:
        raise InvalidLockVersionError(dependencies.source, line, key, value)
    yield VersionSource(
        origin=VersionOrigin.LOCK_FILE,
        file=dependencies.source,
        line=line,
        key=key,
        value=value,
        requested=requested,
    )


def read_requires_python(app: App) -> Iterator[VersionSource]:
    """``requires-python`` in pyproject.toml, where there is one."""
    if PYPROJECT not in app.names():
        return
    text = app.read_text(PYPROJECT)
    project = parse_toml(PYPROJECT, text).get("project", {})
    value = project.get(REQUIRES) if isinstance(project, dict) else None
    if value is None:
        return
    line = find_toml_key(text, f"project.{REQUIRES}")
    if not isinstance(value, str):
        raise InvalidRequiresPythonError({f"{PYPROJECT}:{line}": (str(value), (str(value),))})
    yield VersionSource(
        origin=VersionOrigin.REQUIRES_PYTHON,
        file=PYPROJECT,
        line=line,
        key=REQUIRES,
        value=value,
        specifier=value,
    )


def dependency_limits(dependencies: Dependencies) -> Iterator[VersionSource]:
    """What the package manager's files say, each as ``poetry.lock (metadata.python-versions)``."""
    for limit in dependencies.requires_python:
        file, key = split_origin(limit)
        content = dependencies.inputs.get(file, b"").decode("utf-8", "replace")
        yield VersionSource(
            origin=VersionOrigin.REQUIRES_PYTHON,
            file=file,
            line=find_toml_key(content, key) or find_text(content, limit.specifier),
            key=key,
            value=limit.specifier,
            specifier=limit.specifier,
        )


def split_origin(limit: PythonRequirement) -> tuple[str, str]:
    """``poetry.lock`` and ``metadata.python-versions``."""
    file, _, key = limit.origin.partition(" (")
    return file, key.removesuffix(")")


def unique(limits: tuple[VersionSource, ...]) -> tuple[VersionSource, ...]:
    """pyproject.toml may come twice: read here, and named by its package manager."""
    return tuple({(limit.file, limit.specifier): limit for limit in reversed(limits)}.values())[
        ::-1
    ]


def check_limits(limits: tuple[VersionSource, ...]) -> None:
    """Raise for every limit that is not PEP 440, all in one error."""
    wrong: dict[str, tuple[str, tuple[str, ...]]] = {}
    for limit in limits:
        try:
            parse_specifier(limit.specifier)
        except SpecifierError as err:
            wrong[limit.place] = (limit.value, err.clauses)
    if wrong:
        raise InvalidRequiresPythonError(wrong)


def parse_toml(name: str, text: str) -> Mapping[str, object]:
    """The document in ``text``; a syntax error names line and column."""
    try:
        return loads_toml(text)
    except tomllib.TOMLDecodeError as err:
        lines = text.splitlines() or [""]
        match = AT_PLACE.search(str(err))
        if match and match[1]:
            line, column = int(match[1]), int(match[2])
        else:
            line, column = len(lines), len(lines[-1]) + 1  # it ends too early
        problem = Problem(line=line, column=column, what=AT_PLACE.sub("", str(err)))
        shown = lines[line - 1] if line <= len(lines) else ""
        raise InvalidTomlError(name, problem, shown) from err


LONGEST_LINE = 1000
"""In which a key is looked for: the patterns take the number of spaces squared."""


def find_toml_key(text: str, dotted: str) -> int:
    """The line of ``project.requires-python``; 0 where it is written in a way we do not follow."""
    wanted = dotted.split(".")
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST_LINE:
            continue
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = _key_parts(header[1])
        pair = re.match(r"\s*([\w\"'.\s-]+?)\s*=", line)
        if pair and [*table, *_key_parts(pair[1])] == wanted:
            return number
    return 0


def find_text(content: str, text: str) -> int:
    """The first line with ``text``: for setup.py and the comments of a script; 0 if there is none.

    A limit that was translated, such as Poetry's "^3.11", is not found so.
    """
    lines = enumerate(content.splitlines(), 1)
    return next((number for number, line in lines if text and text in line), 0)


def _key_parts(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text.split(".")]


def find_json_key(text: str, keys: tuple[str, ...], value: str) -> tuple[int, str]:
    """Line and name of the first of ``keys`` that has ``value``; a lock has one pair on a line."""
    for key in keys:
        pattern = rf'\s*"{key}"\s*:\s*"{re.escape(value)}"'
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(pattern, line):
                return number, key
    return 0, ""
