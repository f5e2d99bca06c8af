"""Packages that lie in the app's own source: are they there, and are they inside?"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from buildpack.app import App
from buildpack.installers.locks.project_errors import LocalPathError, UnknownChoiceError
from buildpack.installers.locks.project_file import TEST_GROUPS, Table, table, text_of
from buildpack.settings import BuildSettings
from buildpack.support.names import normalized

GROUPS = "SLUGKIT_GROUPS"
EXTRAS = "SLUGKIT_EXTRAS"


def check_local_paths(
    app: App, settings: BuildSettings, source: str, paths: Iterable[str]
) -> tuple[str, ...]:
    """``paths`` from the app directory, each once. Raises with all that are not in the source."""
    found = tuple(dict.fromkeys(posixpath.normpath(path) for path in paths))
    problems = [(path, why) for path in found if (why := _problem(app, settings, path))]
    if problems:
        raise LocalPathError(source, problems)
    return found


def _problem(app: App, settings: BuildSettings, path: str) -> str:
    # Seen from the root of the source, of which the app may be a subdirectory.
    from_source = posixpath.normpath(posixpath.join(settings.app_dir or ".", path))
    if path.startswith("/") or from_source.split("/")[0] == "..":
        return "outside your app"
    return "" if app.has(path) else "not in your app"


def source_paths(uv: Table) -> Iterator[str]:
    """The paths in [tool.uv.sources]."""
    for value in table(uv, "sources").values():
        for source in value if isinstance(value, list) else [value]:
            path = text_of(table(source).get("path"))
            if path:
                yield path


def choose(
    chosen: Iterable[str], known: Iterable[str], *, setting: str, source: str
) -> tuple[str, ...]:
    """The chosen names as they are compared. Raises with all that ``source`` does not have."""
    names = {normalized(name) for name in known}
    found = tuple(dict.fromkeys(normalized(name) for name in chosen))
    unknown = [name for name in found if name not in names]
    if unknown:
        raise UnknownChoiceError(setting, unknown, source, sorted(names))
    return found


def test_choices(known: Iterable[str], settings: BuildSettings) -> tuple[str, ...]:
    """Groups or extras for tests, where the build is one for tests and the app has them."""
    names = {normalized(name) for name in known}
    return tuple(name for name in TEST_GROUPS if settings.is_test and name in names)
