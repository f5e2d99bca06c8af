"""``slugc import``: what was built elsewhere becomes a slug, through the strict reader and the
same writer as every slug's.

Nothing of it is trusted. It is unpacked by a process without root's rights, into a directory only
that one and we can reach, and then packed like the tree of a build.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from buildpack.support.errors import printable_path
from buildpack.support.values import value
from slugc.archive.errors import ArchiveError
from slugc.archive.extract import extract
from slugc.archive.scan import UnpackableTreeError
from slugc.packing.links import links_text
from slugc.packing.slug_writer import write_slug
from slugc.privileges import data_dir, hand_over, in_dropped_child
from slugc.scratch import opened_scratch
from slugc.slug import Slug, SlugFormat
from slugc.sources.git.urls import shown_url
from slugc.store import Store
from slugc.transfer.import_facts import Found, settle_facts
from slugc.transfer.import_sources import ImportSource, open_source
from slugc.transfer.outputs import require_free

Notify = Callable[[str], None]


@value
class ImportRequest:
    """One import, fully decided."""

    source: str
    output: Path | None
    name: str | None
    stack: str | None
    format: SlugFormat
    cwd: Path
    env: Mapping[str, str]
    force: bool = False
    plain_http: bool = False


def import_slug(request: ImportRequest, notify: Notify) -> Slug:
    """The slug made of ``request.source``; its file appears whole or not at all."""
    home = data_dir(request.env)
    with opened_scratch(home) as scratch, open_source(request, scratch) as source:
        output = request.output or request.cwd / f"{source.name}.{request.format.value}"
        require_free(output, force=request.force)
        tree = source.tree or _unpacked(source, scratch, shown=_shown(request.source))
        found = _app_tree(source, tree)
        notify(found.told)
        facts = settle_facts(source, found, request, notify)
        store = Store(home / "store")
        try:
            written = write_slug(found.app, output, facts=facts, store=store, format=request.format)
        except UnpackableTreeError as err:
            err.resolution = "Remove them from what you import."  # no .slugignore is read here
            raise
        if written.left_out:
            notify(links_text(written.left_out))
    return written.slug


def _unpacked(source: ImportSource, scratch: Path, *, shown: str) -> Path:
    """The archive's tree, made by whoever untrusted code runs as."""
    tree = scratch / "tree"
    tree.mkdir()
    hand_over(tree)
    assert source.stream is not None
    try:
        in_dropped_child(partial(_extract, source, tree))
    except ArchiveError as err:
        err.details = f"{shown}\n\n{err.details}"
        raise
    return tree


def _shown(source: str) -> str:
    return "standard input" if source == "-" else printable_path(shown_url(source))


def _extract(source: ImportSource, tree: Path) -> None:
    assert source.stream is not None
    extract(source.stream, tree, source.limits, root=source.root)


def _app_tree(source: ImportSource, tree: Path) -> Found:
    """Where the app lies: Heroku's slugs have it in ./app, herokuish's are the app."""
    if source.facts is not None:
        return Found(top=tree, app=tree, told="A slug of ours: what it says of itself is kept.")
    names = {entry.name for entry in os.scandir(tree)}
    app = tree / "app"
    of_an_app = names & {"Procfile", ".release", ".profile.d", ".heroku", "processes.json"}
    if app.is_dir() and not app.is_symlink() and not of_an_app - {"processes.json"}:
        beside = sorted(names - {"app", "processes.json"})
        left = (
            f" Left out, as on Heroku: {', '.join(map(printable_path, beside))}." if beside else ""
        )
        return Found(top=tree, app=app, told=f"A Heroku slug: the app lies in ./app.{left}")
    return Found(top=tree, app=tree, told="A herokuish slug: the archive's top is the app.")
