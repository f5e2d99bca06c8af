"""Reads pyproject.toml and its relatives: TOML whose mistakes are told with their place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence

from buildpack.app import App
from buildpack.hostile_text import loads_toml
from buildpack.installers.locks.project_errors import BrokenFileError, InvalidProjectError
from buildpack.requirement_checks import PLAIN
from buildpack.support.names import normalized
from buildpack.support.values import NOTHING, value
from buildpack.versions.python_specifier import SpecifierError, parse_specifier, suggest_specifier

PYPROJECT = "pyproject.toml"
MERGE_SIGN = re.compile(r"(?m)^(<{7}|={7}|>{7}|\|{7})( |$)")
POSITION = re.compile(r" *\(at (?:line (\d+), column (\d+)|end of document)\)")
TEST_GROUPS = ("dev", "test", "tests")
"""Dependency groups and extras that a build for tests installs as well, where an app has them."""


Table = Mapping[str, object]


@value
class Project:
    """What a pyproject.toml says about the package in its directory.

    ``groups`` holds requirements with included groups already put in their places.
    """

    file: str
    name: str = ""
    version: str = ""
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = NOTHING
    groups: Mapping[str, tuple[str, ...]] = NOTHING
    dynamic: frozenset[str] = frozenset()
    has_project: bool = True
    has_build_system: bool = False
    uv: Table = NOTHING

    @property
    def is_package(self) -> bool:
        """Is it installed itself, or are only its dependencies?"""
        chosen = self.uv.get("package")
        return chosen if isinstance(chosen, bool) else self.has_build_system


def read_toml(app: App, name: str, *, remedy: str) -> dict[str, object]:
    """The content of a TOML file. Raises with the line, whatever is wrong with it."""
    return parse_toml(name, app.read_text(name), remedy=remedy)


def parse_toml(name: str, text: str, *, remedy: str) -> dict[str, object]:
    """``text`` as TOML."""
    check_text(name, text, remedy=remedy)
    try:
        return loads_toml(text)
    except tomllib.TOMLDecodeError as err:
        raise broken_toml(name, str(err), remedy) from err


def broken_toml(name: str, message: str, remedy: str) -> BrokenFileError:
    """What tomllib said, with the line in front."""
    found = POSITION.search(message)
    line = int(found[1]) if found and found[1] else 0
    reason = POSITION.sub("", message).strip()
    return BrokenFileError(name, line, f"this is not TOML: {reason}.", remedy)


def check_text(name: str, text: str, *, remedy: str) -> None:
    """Raise for what happens to files in version control: emptied, or half merged."""
    if not text.strip():
        raise BrokenFileError(name, 0, "the file is empty.", remedy)
    # A lock can be megabytes: look for the characters first, which takes no time.
    may_be = any(sign in text for sign in ("<<<<<<<", "=======", ">>>>>>>", "|||||||"))
    marker = MERGE_SIGN.search(text) if may_be else None
    if marker:
        line = text[: marker.start()].count("\n") + 1
        raise BrokenFileError(name, line, "this line was left by a merge conflict.", remedy)


def table(value: object, *names: str) -> Table:
    """The table under ``names``, each inside the one before; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def tables(value: object) -> tuple[Table, ...]:
    """The tables in an array; what is not a table is left out."""
    return tuple(x for x in value if isinstance(x, dict)) if isinstance(value, list) else ()


def strings(value: object) -> tuple[str, ...]:
    """The strings in an array; what is not a string is left out."""
    return tuple(x for x in value if isinstance(x, str)) if isinstance(value, list) else ()


def text_of(value: object) -> str:
    """``value`` if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def read_project(app: App, name: str = PYPROJECT) -> Project:
    """A pyproject.toml of the app, checked. Raises with every mistake in it."""
    text = app.read_text(name)
    content = parse_toml(name, text, remedy="Correct the file, then build again.")
    problems = list(_problems(name, text, content))
    if problems:
        raise InvalidProjectError(name, problems)
    project = table(content, "project")
    uv = table(content, "tool", "uv")
    return Project(
        file=name,
        name=text_of(project.get("name")),
        version=text_of(project.get("version")),
        requires_python=text_of(project.get("requires-python")),
        dependencies=strings(project.get("dependencies")),
        extras={
            normalized(extra): strings(wanted)
            for extra, wanted in table(project, "optional-dependencies").items()
        },
        groups=expand_groups(table(content, "dependency-groups"), uv),
        dynamic=frozenset(strings(project.get("dynamic"))),
        has_project="project" in content,
        has_build_system="build-system" in content,
        uv=uv,
    )


def expand_groups(groups: Table, uv: Table) -> Mapping[str, tuple[str, ...]]:
    """Every dependency group with those it includes (PEP 735), uv's older form of ``dev`` too."""
    given = {normalized(name): entries for name, entries in groups.items()}
    expanded = {name: tuple(_group(name, given)) for name in given}
    legacy = strings(uv.get("dev-dependencies"))
    if legacy:
        expanded["dev"] = (*expanded.get("dev", ()), *legacy)
    return expanded


def _group(name: str, groups: Table) -> Iterator[str]:
    seen: set[str] = set()
    waiting: list[object] = [{"include-group": name}]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, str):
            yield entry
            continue
        included = normalized(text_of(table(entry).get("include-group")))
        entries = groups.get(included)
        # Once is enough: groups that each include the next one twice would double at each step.
        if included not in seen and isinstance(entries, list):
            seen.add(included)
            waiting += reversed(entries)


def _problems(file: str, text: str, content: Table) -> Iterator[str]:
    project = content.get("project")
    if project is not None and not isinstance(project, dict):
        yield f"{file}: project is not a table"
        return
    found = table(content, "project")
    yield from _requirement_problems(file, text, "project.dependencies", found.get("dependencies"))
    for kind, holder in (
        ("project.optional-dependencies", found.get("optional-dependencies")),
        ("dependency-groups", content.get("dependency-groups")),
    ):
        if holder is not None and not isinstance(holder, dict):
            yield f"{file}: {kind} is not a table"
        for name, entries in table(holder).items():
            yield from _requirement_problems(file, text, f"{kind}.{name}", entries)
    yield from _include_problems(file, text, table(content, "dependency-groups"))
    yield from specifier_problems(file, text, found.get("requires-python"))


def _requirement_problems(file: str, text: str, key: str, entries: object) -> Iterator[str]:
    if entries is None:
        return
    if not isinstance(entries, list):
        yield f"{file}: {key} is not an array of strings"
        return
    yield from requirement_problems(file, text, strings(entries))
    for entry in entries:
        if not isinstance(entry, (str, dict)):
            yield f"{file}: {key} holds {entry!r}, which is not a string"


def requirement_problems(file: str, text: str, requirements: Sequence[str]) -> Iterator[str]:
    """Every requirement that no installer could understand, with its line."""
    unusual = [requirement for requirement in requirements if not PLAIN.fullmatch(requirement)]
    if not unusual:
        return  # Nearly always; the import takes 30 ms of a build in which nothing changed.
    from packaging.requirements import InvalidRequirement, Requirement

    from buildpack.requirement_hints import what_was_meant

    for requirement in unusual:
        try:
            Requirement(requirement)
        except InvalidRequirement as err:
            reason = what_was_meant(requirement) or str(err).partition("\n")[0] + "."
            yield f"{place_of(file, text, requirement)}: {requirement}\n    {reason}"
        except RecursionError:
            yield f"{place_of(file, text, requirement)}: this marker is nested too deeply."


def _include_problems(file: str, text: str, groups: Table) -> Iterator[str]:
    known = {normalized(name) for name in groups}
    for name, entries in groups.items():
        for entry in tables(entries):
            included = text_of(entry.get("include-group"))
            if normalized(included) not in known:
                place = place_of(file, text, included)
                yield f"{place}: the group '{name}' includes '{included}', which does not exist"


def specifier_problems(file: str, text: str, specifier: object) -> Iterator[str]:
    """What is wrong with a requires-python, if it is there."""
    if specifier is None:
        return
    try:
        parse_specifier(specifier if isinstance(specifier, str) else "?")
    except SpecifierError:
        shown = specifier if isinstance(specifier, str) else repr(specifier)
        place = place_of(file, text, shown)
        meant = suggest_specifier(shown) or ">=3.12"
        yield f"{place}: requires-python = {shown!r}\n    It should look like '{meant}'."


def place_of(file: str, text: str, part: str) -> str:
    """``file:line`` of the first line that holds ``part``; the file alone where none does."""
    lines = text.splitlines()
    line = next((n for n, content in enumerate(lines, 1) if part and part in content), 0)
    return f"{file}:{line}" if line else file
