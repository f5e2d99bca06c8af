"""``slugc inspect`` from its options to the text it prints."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.errors import UsageError
from slugc.history import BuildRecord, find_build
from slugc.inspection import report
from slugc.privileges import data_path
from slugc.slug import Slug, read_slug

_VIEWS = ("tree", "sizes", "procfile", "sbom", "html")


def inspect_from_options(
    slug: str | None, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> str:
    """What is to be printed. At most one view can be asked for; ``--json`` goes with most."""
    slug, options = _slug_after_tree(slug, options)
    asked = [view for view in _VIEWS if options[view] not in {None, False}]
    if len(asked) > 1:
        words = " and ".join(f"--{view}" for view in asked)
        raise UsageError(f"Only one of {words} can be shown", resolution="Ask one by one.")
    view = asked[0] if asked else "index"
    return _shown(read_slug(cwd / slug), view, options, env=env, cwd=cwd)


def _shown(
    slug: Slug, view: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> str:
    as_json, width = bool(options["as_json"]), terminal_width(env)
    views: Mapping[str, Callable[[], str]] = {
        "tree": lambda: _tree(slug, str(options["tree"]), as_json=as_json, width=width),
        "sizes": lambda: _sizes(slug, as_json=as_json, width=width),
        "procfile": lambda: _procfile(slug, as_json=as_json),
        "sbom": lambda: _sbom(slug),
        "html": lambda: _html(slug, str(options["html"]), env=env, cwd=cwd),
        "index": lambda: _index(slug, as_json=as_json, env=env),
    }
    return views[view]()


def _index(slug: Slug, *, as_json: bool, env: Mapping[str, str]) -> str:
    if as_json:
        return _json(report.as_document(slug))
    return report.summary(slug, width=terminal_width(env), build=known_build(slug, env))


def _procfile(slug: Slug, *, as_json: bool) -> str:
    if as_json:
        return _json({str(kind): line for kind, line in slug.metadata.process_types.items()})
    return report.as_procfile(slug)


def _slug_after_tree(
    slug: str | None, options: Mapping[str, object]
) -> tuple[str, Mapping[str, object]]:
    """``--tree SLUG``: the word after it was taken for a depth or path, and is the slug."""
    if slug is not None:
        return slug, options
    if word := options["tree"]:
        return str(word), {**options, "tree": ""}
    raise UsageError("Missing argument 'SLUG'.", resolution="See: slugc inspect --help")


def known_build(slug: Slug, env: Mapping[str, str]) -> BuildRecord | None:
    """What this machine remembers of the build; a memory that cannot be read is none."""
    with contextlib.suppress(OSError):
        return find_build(data_path(env), slug.metadata.checksum)
    return None


def _tree(slug: Slug, text: str, *, as_json: bool, width: int) -> str:
    from slugc.inspection.contents import read_contents
    from slugc.inspection.tree_view import parse_tree_request, tree_document, tree_text

    request = parse_tree_request(text)
    contents = read_contents(slug)
    if as_json:
        return _json(tree_document(slug, contents, request))
    return tree_text(slug, contents, request, width=width)


def _sizes(slug: Slug, *, as_json: bool, width: int) -> str:
    from slugc.inspection.contents import read_contents
    from slugc.inspection.packages import describes_a_package, find_packages
    from slugc.inspection.sizes import sizes_document, sizes_text

    contents = read_contents(slug, keep=describes_a_package)
    packages = find_packages(slug, contents)
    if as_json:
        return _json(sizes_document(slug, contents, packages))
    return sizes_text(slug, contents, packages, width=width)


def _sbom(slug: Slug) -> str:
    from slugc.supply_chain.sbom import slug_sbom

    return slug_sbom(slug).decode()


def _html(slug: Slug, target: str, *, env: Mapping[str, str], cwd: Path) -> str:
    from slugc.inspection.page import slug_page, write_page

    page = slug_page(slug, build=known_build(slug, env))
    return page if target == "-" else write_page(cwd / target, page)


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"


def terminal_width(env: Mapping[str, str]) -> int:
    """The terminal's columns, or what ``COLUMNS`` says; 80 in a pipe."""
    given = env.get("COLUMNS", "")
    columns = int(given) if given.isdecimal() and len(given) < 6 else 0
    return max(40, min(160, columns or _screen_width()))


def _screen_width() -> int:
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:  # standard output is no terminal
        return 80
