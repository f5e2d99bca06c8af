"""What `slug-run` alone says: what can be run from here, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.formation import RELEASE, WEB
from runner.session import NoSlugError, find_slug
from slugc.procfile import ProcessType, read_procfile
from slugc.slug import read_slug


def overview(directory: Path) -> str | None:
    """The process types of the slug in ``directory``, else of its Procfile; None: neither."""
    try:
        slug = read_slug(find_slug(None, directory))
    except NoSlugError:
        types = read_procfile(directory)
        return None if types is None else source_overview(types)
    return slug_overview(slug.archive.name, slug.metadata.process_types)


def slug_overview(name: str, types: Mapping[ProcessType, str]) -> str:
    """The process types of a slug, and three commands to type next."""
    startable = [each for each in types if each != RELEASE]
    first = WEB if WEB in types else next(iter(startable), None)
    commands = [f"slug-run {first}", f"slug-run {first} --count 2"] if first else []
    return _page(f"{name} can run:", types, [*commands, "slug-run run bash"])


def source_overview(types: Mapping[ProcessType, str]) -> str:
    """The process types of an app that has no slug yet, and how to make one."""
    names = [each for each in types if each != RELEASE]
    first = WEB if WEB in types else next(iter(names), RELEASE)
    commands = ["slugc build . -o app.slug", f"slug-run {first}", "slug-run --help"]
    return _page("The Procfile here names, and no slug holds yet:", types, commands)


def _page(title: str, types: Mapping[ProcessType, str], commands: list[str]) -> str:
    width = max((len(name) for name in types), default=0)
    listed = [f"    {name:<{width}}  {command}" for name, command in types.items()]
    shown = listed or ["    no process types; any command can be run in it"]
    next_ones = [f"    {command}" for command in commands]
    return "\n".join([title, "", *shown, "", "Next:", "", *next_ones, ""])
