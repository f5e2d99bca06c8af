"""What a Poetry project's pyproject.toml asks for, in [project] and in [tool.poetry]."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from buildpack.installers.locks.dependency_groups import expanded
from buildpack.installers.locks.lock_changes import (
    Dependency,
    parse_dependency,
    split_extras,
)
from buildpack.installers.locks.lock_markers import ALWAYS, Marker, both, marker_text, parse_marker
from buildpack.installers.locks.poetry_constraint import alternatives
from buildpack.installers.locks.project_file import Table, strings, table, tables, text_of
from buildpack.support.names import normalized

MAIN = "main"
LEGACY_KEYS = ("dependencies", "source", "extras", "dev-dependencies")
PROJECT_KEYS = ("requires-python", "dependencies", "optional-dependencies")
DIRECT = ("git", "path", "file", "url")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoetryProject:
    """The parts of a pyproject.toml that decide what Poetry installs."""

    content: Table

    @property
    def poetry(self) -> Table:
        return table(self.content, "tool", "poetry")

    @property
    def project(self) -> Table:
        return table(self.content, "project")

    @property
    def name(self) -> str:
        return text_of(self.project.get("name")) or text_of(self.poetry.get("name"))

    @property
    def is_package(self) -> bool:
        """Is the app itself installed, as an editable package?"""
        return self.poetry.get("package-mode") is not False

    @property
    def build_backend(self) -> str:
        return text_of(table(self.content, "build-system").get("build-backend"))

    def content_hash(self, *, with_groups: bool) -> str:
        """The hash in poetry.lock. Poetry counts [dependency-groups] in since 2.3.

        For the sake of old locks it moves [tool.poetry] to the top where there is nothing else,
        and then counts absent tables as null.
        """
        project = {key: self.project[key] for key in PROJECT_KEYS if key in self.project}
        groups = table(self.content, "dependency-groups") if with_groups else {}
        poetry = {
            key: self.poetry.get(key)
            for key in (*LEGACY_KEYS, "group")
            if key in self.poetry or (key in LEGACY_KEYS and not project and not groups)
        }
        relevant: dict[str, object] = {}
        if project:
            relevant["project"] = project
        if groups:
            relevant["dependency-groups"] = groups
        relevant = {**relevant, "tool": {"poetry": poetry}} if relevant else dict(poetry)
        text = json.dumps(relevant, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def groups(self) -> Mapping[str, bool]:
        """Every group by name, main included, and whether it is optional."""
        found = {MAIN: False}
        if table(self.poetry, "dev-dependencies"):
            found["dev"] = False
        for name in table(self.content, "dependency-groups"):
            found[normalized(name)] = False
        for name, group in table(self.poetry, "group").items():
            found[normalized(name)] = table(group).get("optional") is True
        return found

    def extras(self) -> Mapping[str, tuple[str, ...]]:
        """The app's own extras and the names of the packages in them."""
        optional = table(self.project, "optional-dependencies") or table(self.poetry, "extras")
        return {
            normalized(name): tuple(parse_dependency(text).name for text in strings(optional[name]))
            for name in optional
        }

    def dependencies(self, group: str) -> Iterator[Dependency]:
        """What a group asks for; optional ones of the main group belong to extras."""
        return expanded(group, self._entries)

    def _entries(self, group: str) -> Iterator[Dependency | str]:
        if group == MAIN:
            yield from self._main()
            return
        for name, entries in table(self.content, "dependency-groups").items():
            if normalized(name) == group:
                yield from (parse_dependency(text) for text in strings(entries))
                included = (text_of(x.get("include-group")) for x in tables(entries))
                yield from (normalized(name) for name in included if name)
        groups = table(self.poetry, "group")
        tables_of = [groups[name] for name in groups if normalized(name) == group]
        if group == "dev":
            tables_of.append({"dependencies": self.poetry.get("dev-dependencies")})
        for found in map(table, tables_of):
            for name, value in table(found, "dependencies").items():
                yield from read_dependency(name, value)
            yield from (normalized(name) for name in strings(found.get("include-groups")))

    def _main(self) -> Iterator[Dependency]:
        own = table(self.poetry, "dependencies")
        if "dependencies" not in self.project and "optional-dependencies" not in self.project:
            for name, value in own.items():
                if name != "python":
                    yield from read_dependency(name, value)
            return
        # [tool.poetry.dependencies] then only says where a package comes from.
        enriched = {normalized(name): value for name, value in own.items()}
        optional = table(self.project, "optional-dependencies")
        texts = [(text, False) for text in strings(self.project.get("dependencies"))]
        texts += [(text, True) for name in optional for text in strings(optional[name])]
        for text, is_optional in texts:
            found = replace(parse_dependency(text), is_optional=is_optional)
            origin = table(enriched.get(found.name))
            if any(kind in origin for kind in DIRECT):
                found = replace(found, source=_source(origin))
            yield found


def read_dependency(name: str, value: object) -> Iterator[Dependency]:
    """A dependency as Poetry writes it: a version, a table, or several for different markers."""
    for entry in value if isinstance(value, list) else [value]:
        values = table(entry) or {"version": text_of(entry)}
        version = text_of(values.get("version")) or "*"
        source, extras = _source(values), split_extras(",".join(strings(values.get("extras"))))
        label = f"{name}[{','.join(extras)}]" if extras else name
        yield Dependency(
            name=normalized(name),
            shown=f"{label} ({source})" if source else f"{label} {version}",
            alternatives=("",) if source else alternatives(version),
            source=source,
            extras=extras,
            marker=_marker(values),
            is_optional=values.get("optional") is True,
        )


def _source(values: Table) -> str:
    return next((f"{kind} {text_of(values[kind])}" for kind in DIRECT if kind in values), "")


def _marker(values: Table) -> str:
    """The marker as text, with what ``python`` and ``platform`` say; extras are left in it."""
    parts = [text_of(values.get("markers"))]
    if python := text_of(values.get("python")):
        parts.append(marker_text(python_marker(python)))
    if platform := text_of(values.get("platform")):
        parts.append(f"sys_platform == '{platform}'")
    return " and ".join(f"({part})" for part in parts if part)


def python_marker(text: str) -> Marker:
    """A Python constraint as a marker: one alternative for each of its own."""
    found = []
    for alternative in alternatives(text):
        marker = ALWAYS
        for piece in filter(None, alternative.split(",")):
            version = piece.lstrip("<>=!~")
            operator = piece[: len(piece) - len(version)]
            marker = both(marker, parse_marker(f"python_full_version {operator} '{version}'"))
        found.append(marker)
    return frozenset().union(*found)
