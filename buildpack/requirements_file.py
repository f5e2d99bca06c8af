"""Reads requirements.txt and every file it includes, without installing anything.

Two readers share it: the cache key needs the bytes of every file involved, and the check before
anything is downloaded needs every requirement with its file and line.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from buildpack.app import App
from buildpack.requirement_checks import (
    InvalidRequirementsError,
    Problem,
    plainly_wrong,
    problem_of,
)
from buildpack.requirement_lines import (
    INCLUDE,
    RequirementFiles,
    RequirementLine,
    split_lines,
)
from buildpack.requirement_paths import is_outside

LARGEST_INCLUDE_COUNT = 100


def read_requirement_files(
    app: App, *names: str, constraints: Sequence[str] = ()
) -> RequirementFiles:
    """``names`` and every file they include by ``-r`` and ``-c``. Raises with all problems.

    ``constraints`` are files that limit versions without any of them saying so.
    """
    contents: dict[str, bytes] = {}
    lines: list[RequirementLine] = []
    problems: list[Problem] = []
    limiting = set(constraints)
    includes: dict[str, list[tuple[RequirementLine, str]]] = {}
    waiting = [*(names or ("requirements.txt",)), *constraints]
    while waiting:
        current = waiting.pop(0)
        if current in contents:
            continue  # Included twice: once is enough.
        contents[current], text = app.read_as_pip(current)
        for line in split_lines(current, text):
            match = INCLUDE.fullmatch(line.text)
            if match is None:
                lines.append(line)
                continue
            included = _included(current, match["target"])
            message = _include_problem(app, included, len(contents))
            if message:
                problems.append(problem_of(line, message))
            else:
                waiting.append(included)
                includes.setdefault(current, []).append((line, included))
                if line.text.startswith(("-c", "--c")):
                    limiting.add(included)
    problems += _circles(includes)
    if problems:
        problems += plainly_wrong(app, lines)
        files = list(contents)  # in the order in which they were read
        problems.sort(key=lambda problem: (files.index(problem.file), problem.number))
        raise InvalidRequirementsError(problems)
    return RequirementFiles(
        contents=contents, lines=tuple(lines), constraint_files=frozenset(limiting)
    )


def _circles(includes: Mapping[str, Sequence[tuple[RequirementLine, str]]]) -> list[Problem]:
    """Every line that leads back to a file it was reached from, as pip refuses it."""
    found: list[Problem] = []
    done: set[str] = set()

    def follow(file: str, path: tuple[str, ...]) -> None:
        for line, included in includes.get(file, ()):
            if included in path:
                circle = " -> ".join((*path[path.index(included) :], included))
                found.append(problem_of(line, f"The files include each other: {circle}."))
            elif included not in done:
                follow(included, (*path, included))
        done.add(file)

    for file in includes:
        if file not in done:
            follow(file, (file,))
    return found


def included_files(name: str, text: str) -> Iterator[str]:
    """The files that ``-r`` and ``-c`` name in the file ``name``, as seen from the app."""
    for line in split_lines(name, text):
        match = INCLUDE.fullmatch(line.text)
        if match:
            yield _included(name, match["target"])


def _included(name: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target.strip("\"'")))


def _include_problem(app: App, included: str, count: int) -> str:
    if included.startswith(("http://", "https://")) or ":/" in included:
        return "Requirements are read from files of the app, not from a URL."
    if is_outside(app, included):
        return "This file is outside your app."
    if not app.is_file(included):
        from buildpack.requirement_hints import path_on_windows  # wanted for mistakes alone

        return path_on_windows(app, included) or "There is no such file in your app."
    if count >= LARGEST_INCLUDE_COUNT:
        return f"More than {LARGEST_INCLUDE_COUNT} files are included."
    return ""
