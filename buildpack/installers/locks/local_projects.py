"""What decides an editable installation of a directory: its metadata, or all that is in it?"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from buildpack.app import App
from buildpack.installers.locks.project_file import Table, read_toml, table, text_of
from buildpack.support.values import value

LINKING_BACKENDS: Mapping[str, tuple[str, ...]] = {
    "poetry.core.masonry.api": ("poetry", "build"),
    "flit_core.buildapi": ("flit", "external-data"),
    "hatchling.build": ("hatch", "build"),
    "pdm.backend": ("pdm", "build"),
    "uv_build": ("uv", "build-backend"),
}
"""Build backends whose editable wheel is a link to the sources, and the table under [tool] by
which an app may have them do more. Others may compile, or list every package by name."""


LEGAL = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)
"""Files that backends copy into a distribution's metadata."""

TOML_REMEDY = "Correct the file, then build again."


@value
class EditableInputs:
    """What decides editable installations: some files, and all of some directories."""

    files: Mapping[str, bytes]
    directories: tuple[str, ...]


def editable_inputs(app: App, directories: Iterable[str]) -> EditableInputs:
    """An editable installation is a link: most changes in the directory change nothing of it."""
    found: dict[str, bytes] = {}
    by_content = []
    for directory in dict.fromkeys(directories):
        if not is_link(app, directory):
            by_content.append(directory)
            continue
        for name in _metadata_files(app, directory):
            found[_join(directory, name)] = app.read_bytes(_join(directory, name))
        # A package that appears or moves to src/ gives other links.
        found[f"names in {directory}"] = "\n".join(_names(app, directory)).encode(
            errors="surrogateescape"
        )
    return EditableInputs(files=found, directories=tuple(by_content))


def is_link(app: App, directory: str) -> bool:
    """Is an editable installation of this directory the same, whatever its modules say?"""
    name = _join(directory, "pyproject.toml")
    if any(app.has(_join(directory, x)) for x in ("setup.py", "setup.cfg")):
        return False
    return app.is_file(name) and _only_links(_table(app, name))


def _only_links(content: Table) -> bool:
    system, project = table(content, "build-system"), table(content, "project")
    backend = text_of(system.get("build-backend"))
    if backend not in LINKING_BACKENDS or "backend-path" in system:
        return False
    tool, key = LINKING_BACKENDS[backend]
    # A dynamic version or description is read from a module.
    is_dynamic = bool(project.get("dynamic")) and backend != "poetry.core.masonry.api"
    is_old_flit = backend == "flit_core.buildapi" and not project
    return not (is_dynamic or is_old_flit or key in table(content, "tool", tool))


def _metadata_files(app: App, directory: str) -> Iterator[str]:
    content = _table(app, _join(directory, "pyproject.toml"))
    yield "pyproject.toml"
    readmes = [table(content, *path).get("readme") for path in (("project",), ("tool", "poetry"))]
    names = {text_of(x) or text_of(table(x).get("file")) for x in readmes}
    names |= {x for x in App(root=app.root / directory).names() if LEGAL.match(x)}
    yield from (name for name in sorted(names) if name and app.is_file(_join(directory, name)))


def _names(app: App, directory: str) -> list[str]:
    top = App(root=app.root / directory).names()
    below = App(root=app.root / directory / "src").names() if "src" in top else frozenset()
    names = (x for x in (*top, *(f"src/{x}" for x in below)) if not x.startswith("."))
    return sorted(x for x in names if x.endswith(".py") or (app.root / directory / x).is_dir())


def _table(app: App, name: str) -> Table:
    return read_toml(app, name, remedy=TOML_REMEDY)


def _join(directory: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(directory, name))
