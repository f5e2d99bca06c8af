"""What a PDM project's pyproject.toml asks for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from buildpack.installers.locks.dependency_groups import expanded
from buildpack.installers.locks.lock_changes import (
    Dependency,
    parse_dependency,
)
from buildpack.installers.locks.project_file import Table, strings, table, text_of
from buildpack.support.names import normalized

DEFAULT = "default"
EGG = re.compile(r"(?:-e\s+)?(?P<url>\S+)#egg=(?P<name>[\w.-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PdmProject:
    """The parts of a pyproject.toml that decide what PDM installs."""

    content: Table

    @property
    def project(self) -> Table:
        return table(self.content, "project")

    @property
    def pdm(self) -> Table:
        return table(self.content, "tool", "pdm")

    @property
    def name(self) -> str:
        return text_of(self.project.get("name"))

    @property
    def is_package(self) -> bool:
        """Is the app itself installed, as an editable package?"""
        if not self.name:
            return False
        if "package-type" in self.pdm:
            return self.pdm["package-type"] == "library"
        return self.pdm.get("distribution") is not False

    def development(self) -> Mapping[str, Sequence[object]]:
        """The groups that are no extras, PDM's own after those every tool knows."""
        found: dict[str, list[object]] = {}
        for groups in (
            table(self.content, "dependency-groups"),
            table(self.pdm, "dev-dependencies"),
        ):
            for name, entries in groups.items():
                if isinstance(entries, list):
                    found.setdefault(normalized(name), []).extend(entries)
        return found

    def extras(self) -> Mapping[str, Sequence[str]]:
        """The extras of the app, which are groups to PDM."""
        optional = table(self.project, "optional-dependencies")
        return {normalized(name): strings(optional[name]) for name in optional}

    def groups(self) -> Sequence[str]:
        return (DEFAULT, *self.development(), *self.extras())

    def content_hash(self) -> str:
        """The hash in pdm.lock, of everything that decides a resolution."""
        content = {
            "sources": self.pdm.get("source", []),
            "dependencies": self.project.get("dependencies", []),
            "dev-dependencies": self.development(),
            "optional-dependencies": self.project.get("optional-dependencies", {}),
            "requires-python": self.project.get("requires-python", ""),
            "resolution": self.pdm.get("resolution", {}),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def dependencies(self, group: str) -> Iterator[Dependency]:
        """What a group asks for, with the groups it includes and the app's own extras in it."""
        return expanded(group, self._entries)

    def _entries(self, group: str) -> Iterator[Dependency | str]:
        if group == DEFAULT:
            entries: Sequence[object] = strings(self.project.get("dependencies"))
        else:
            entries = self.extras().get(group) or self.development().get(group, ())
        for entry in entries:
            if isinstance(entry, str):
                dependency = read_requirement(entry)
                is_own = dependency.name == normalized(self.name)
                yield from ",".join(dependency.extras).split(",") if is_own else (dependency,)
            elif included := text_of(table(entry).get("include-group")):
                yield normalized(included)


def read_requirement(text: str) -> Dependency:
    """A requirement as PDM writes it; extras of one package together are one key."""
    match = EGG.fullmatch(text.strip())
    if match:
        name, url = match["name"], match["url"]
        return Dependency(name=normalized(name), shown=f"{name} ({url})", source=url)
    found = parse_dependency(text)
    return replace(found, extras=(extras_key(found.extras),) if found.extras else ())


def extras_key(extras: Sequence[str]) -> str:
    """``a,b``: PDM locks a package with these extras as one entry."""
    return ",".join(sorted(normalized(extra) for extra in extras))
