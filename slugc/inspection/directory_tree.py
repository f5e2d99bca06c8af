"""What fills a slug, added up by directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slugc.archive.headers import MemberKind
from slugc.inspection.contents import SlugEntry


class Node:
    """A directory with everything below it, or a file. Not frozen: it grows while entries come."""

    __slots__ = ("below", "files", "layer", "name", "path", "size")

    def __init__(self, name: str, path: str, layer: str, *, directory: bool) -> None:
        self.name, self.path, self.layer = name, path, layer
        self.size = 0
        self.files = 0
        self.below: dict[str, Node] | None = {} if directory else None

    @property
    def children(self) -> list[Node]:
        """The largest first."""
        return sorted((self.below or {}).values(), key=lambda node: (-node.size, node.name))

    def find(self, path: str) -> Node | None:
        """The node at a path below this one."""
        node: Node | None = self
        for part in path.split("/"):
            if part in {"", "."}:
                continue
            node = (node.below or {}).get(part) if node is not None else None
        return node

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend((node.below or {}).values())


def make_tree(entries: Iterable[SlugEntry]) -> Node:
    """All entries as one tree; directories that hold nothing are in it too."""
    return make_named_tree((entry.path, entry) for entry in entries)


def make_named_tree(entries: Iterable[tuple[str, SlugEntry]]) -> Node:
    """Entries under paths of the caller's choice."""
    root = Node("", "", "", directory=True)
    for path, entry in entries:
        _add(root, path.split("/"), entry)
    return root


def _add(root: Node, parts: list[str], entry: SlugEntry) -> None:
    is_directory = entry.kind is MemberKind.DIRECTORY
    node, last = root, len(parts) - 1
    for position, part in enumerate(parts):
        if not is_directory:
            node.size += entry.size
            node.files += 1
        if node.below is None:  # a file stands where a directory should: no slug of ours
            return
        child = node.below.get(part)
        if child is None:
            directory = is_directory or position < last
            path = f"{node.path}/{part}" if node.path else part
            child = node.below[part] = Node(part, path, entry.layer, directory=directory)
        node = child
    if not is_directory:
        node.size += entry.size
        node.files += 1
