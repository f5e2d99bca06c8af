"""``slugc inspect --tree``: directories and files with their sizes, the largest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.values import value
from slugc.inspection.contents import Contents
from slugc.inspection.directory_tree import Node, make_tree
from slugc.inspection.wording import counted, shortened, size_text
from slugc.slug import Slug

DEFAULT_DEPTH = 2
MOST_SHOWN = 25
"""Of one directory; the rest are one line."""
_NEAR, _LONGEST = 5, 100


class PathNotInSlugError(SlugkitError):
    """A path that is not in the slug."""

    exit_code = ExitCode.NO_INPUT
    id = "path-not-in-slug"

    def __init__(self, slug: Slug, path: str, near: tuple[str, ...]) -> None:
        self.path, self.near = path, near
        listing = "\n".join(f"    {printable(each, limit=400)}" for each in near)
        super().__init__(
            f"There is no '{printable(path, limit=400)}' in {printable_path(slug.archive)}",
            details=f"Names that are near:\n\n{listing}" if near else "",
            resolution="See: slugc inspect SLUG --tree",
        )


@value
class TreeRequest:
    """What to show: where to begin and how many levels below it."""

    path: str = ""
    depth: int = DEFAULT_DEPTH


def parse_tree_request(text: str) -> TreeRequest:
    """``3`` is a depth, anything else a path, with its depth after a colon if one is given."""
    path, colon, depth = text.rpartition(":")
    if colon and depth.isdecimal():
        return TreeRequest(path=clean_path(path), depth=int(depth))
    if text.isdecimal():
        return TreeRequest(depth=int(text))
    return TreeRequest(path=clean_path(text))


def clean_path(text: str) -> str:
    """A path as people write it, relative to the app: ``/app/x``, ``./x`` and ``x/`` are ``x``."""
    path = text.removeprefix("/app/") if text != "/app" else ""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def tree_text(slug: Slug, contents: Contents, request: TreeRequest, *, width: int) -> str:
    """The tree below one directory. Raises PathNotInSlugError with names that are near."""
    node = _find(slug, contents, request.path)
    rows = [(f"/app/{node.path}".rstrip("/"), node)]
    rows += _rows(node, request.depth, "")
    column = max(len(_size(node)) for _, node in rows)
    return "".join(
        f"{_size(node):>{column}}  {shortened(text, max(20, width - column - 2))}\n"
        for text, node in rows
    )


def tree_document(slug: Slug, contents: Contents, request: TreeRequest) -> dict[str, object]:
    """The same as data, without leaving anything out at the levels that are shown."""
    return _document(_find(slug, contents, request.path), request.depth)


def _document(node: Node, depth: int) -> dict[str, object]:
    found: dict[str, object] = {
        "path": node.path,
        "size": node.size,
        "kind": "file" if node.below is None else "directory",
    }
    if node.below is not None:
        found["files"] = node.files
        if depth > 0:
            found["entries"] = [_document(child, depth - 1) for child in node.children]
    return found


def _find(slug: Slug, contents: Contents, path: str) -> Node:
    root = make_tree(contents.entries)
    node = root.find(path)
    if node is None:
        raise PathNotInSlugError(slug, path, nearest(path, root))
    return node


def nearest(path: str, root: Node) -> tuple[str, ...]:
    """Paths that were perhaps meant: spelt alike in the same directory, of the same name elsewhere,
    then spelt alike anywhere."""
    directory, _, last = path.rpartition("/")
    beside = root.find(directory)
    siblings = {node.name: node.path for node in (beside.children if beside else ())}
    paths = [node.path for node in root.walk() if node.path]
    same = sorted((x for x in paths if x.rpartition("/")[2] == last), key=lambda x: (len(x), x))
    found = [*(siblings[name] for name in _alike(last, siblings, 0.6)), *same[:_NEAR]]
    if not found:
        # Of 14,000 names only those that begin alike are compared letter by letter.
        ordered = sorted(paths, key=lambda x: (-len(x), x))
        names = {x.rpartition("/")[2]: x for x in ordered}
        begin = [name for name in names if name[:1] == last[:1]]
        found = [names[name] for name in _alike(last, begin, 0.75)]
    return tuple(dict.fromkeys(found))[:_NEAR]


def _alike(name: str, names: Iterable[str], least: float) -> list[str]:
    """Comparing letters takes the square of their number: long names are compared in no slug."""
    short = [each for each in names if len(each) <= _LONGEST]
    return get_close_matches(name, short, n=_NEAR, cutoff=least) if len(name) <= _LONGEST else []


def _rows(node: Node, depth: int, before: str) -> Iterator[tuple[str, Node]]:
    if depth <= 0:
        return
    children = node.children
    shown, rest = children[:MOST_SHOWN], children[MOST_SHOWN:]
    if len(rest) == 1:
        shown, rest = children, []
    for position, child in enumerate(shown):
        is_last = position == len(shown) - 1 and not rest
        mark = "/" if child.below is not None else ""
        yield (
            f"{before}{'└── ' if is_last else '├── '}{printable(child.name, limit=400)}{mark}",
            child,
        )
        yield from _rows(child, depth - 1, before + ("    " if is_last else "│   "))
    if rest:
        merged = Node("", "", "", directory=True)
        merged.size = sum(each.size for each in rest)
        yield f"{before}└── … {counted(len(rest), 'more entry', 'more entries')}", merged


def _size(node: Node) -> str:
    return size_text(node.size)
