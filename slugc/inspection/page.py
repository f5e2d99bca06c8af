"""``slugc inspect --html``: one page about a slug, complete in itself.

Nothing is fetched: a content security policy allows the page's own script and style by their
digests, and nothing else. Whatever comes from the slug is text: escaped in the markup, and in the
data as JSON without a single ``<``; the script never makes markup of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from string import Template

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.files import write_atomically
from buildpack.version import __version__
from slugc.history import BuildRecord
from slugc.inspection import page_sections
from slugc.inspection.contents import read_contents
from slugc.inspection.left_out_rules import RULE_FILES
from slugc.inspection.markup import escaped
from slugc.inspection.packages import describes_a_package, find_packages
from slugc.inspection.page_data import by_directory, by_package
from slugc.slug import Slug


class PageNotWrittenError(SlugkitError):
    """The page cannot be created."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "page-not-written"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The page {printable_path(path)} cannot be written",
            details=found,
            resolution="Give another place, or - for standard output.",
        )


def write_page(path: Path, page: str) -> str:
    """Write the page, whole or not at all; the line that says where it is."""
    try:
        write_atomically(path, page)
    except OSError as err:
        raise PageNotWrittenError(path, err.strerror or str(err)) from err
    return f"{path}\n"


def slug_page(slug: Slug, *, build: BuildRecord | None = None) -> str:
    """The page: one pass over the slug's stream. ``build`` is what this machine knows of it."""
    contents = read_contents(slug, keep=_is_wanted)
    packages = find_packages(slug, contents)
    layers = [layer.name for layer in slug.metadata.layers]
    data = {
        "layers": [printable(name) for name in layers],
        "directories": by_directory(contents, layers),
        "packages": by_package(contents, packages, layers),
    }
    sections = page_sections.sections(slug, contents, packages, build)
    return _page(slug, data, sections)


def _is_wanted(path: str) -> bool:
    return path in RULE_FILES or describes_a_package(path)


def _page(slug: Slug, data: Mapping[str, object], sections: Iterable[str]) -> str:
    script, style = _file("page.js"), _file("page.css")
    policy = (
        f"default-src 'none'; img-src data:; script-src {_source(script)};"
        f" style-src {_source(style)}; base-uri 'none'; form-action 'none'"
    )
    return Template(_file("page.html")).substitute(
        policy=policy,
        title=escaped(slug.metadata.name),
        style=style,
        sections="\n".join(sections),
        data=as_script_data(data),
        script=script,
        version=escaped(__version__),
    )


def as_script_data(data: object) -> str:
    """JSON that can stand inside a script element: no ``<``, and ASCII alone."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(content: str) -> str:
    """How a content security policy names this very script or style."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _file(name: str) -> str:
    return (resources.files("slugc") / "data" / "page" / name).read_text("utf-8")
