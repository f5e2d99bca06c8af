"""What may be in a tree: the same rules when packing and when unpacking.

A path goes down from the root and nowhere else. A link is judged when all members are known, so
the order they came in cannot matter, and resolves to a place inside the tree.
"""

from __future__ import annotations

from collections.abc import Mapping

from buildpack.support.errors import printable
from buildpack.support.values import value
from slugc.archive.headers import MemberKind
from slugc.archive.limits import MAX_COMPONENT, MAX_TARGET, Limits

TreePath = tuple[bytes, ...]
_MAX_HOPS = 40  # the kernel gives up after as many links: path_resolution(7)


@value
class Refusal:
    """Something that is not packed and not unpacked, and why."""

    name: bytes
    reason: str


def split_path(name: bytes) -> TreePath | str:
    """The components of a member's name, or why it is refused. ``()`` is the root itself."""
    if not name:
        return "its name is empty"
    if b"\0" in name:
        return "its name holds a NUL byte"
    if name.startswith(b"/"):
        return "its name is absolute"
    parts = tuple(part for part in name.split(b"/") if part not in {b"", b"."})
    if b".." in parts:
        return "its name goes up with '..'"
    return parts


def path_refusal(parts: TreePath, limits: Limits) -> str | None:
    """Why a path of these components is refused for its length or depth."""
    if len(parts) > limits.depth:
        return f"it lies {len(parts)} directories deep, {limits.depth} are allowed"
    if sum(map(len, parts)) + len(parts) > limits.path:
        length = sum(map(len, parts)) + len(parts) - 1
        return f"its path is {length:,} bytes long, {limits.path:,} are allowed"
    if parts and max(map(len, parts)) > MAX_COMPONENT:  # asked of every entry: any() is slower
        length = max(map(len, parts))
        return f"a part of its name is {length:,} bytes long, {MAX_COMPONENT} are allowed"
    return None


def link_refusals(
    kinds: Mapping[TreePath, MemberKind], targets: Mapping[TreePath, bytes]
) -> tuple[Refusal, ...]:
    """Every symbolic link in ``targets`` that does not stay inside the tree of ``kinds``."""
    found = []
    for link in targets:
        reason = _target_refusal(link, targets[link]) or _Walk(kinds, targets).refusal(link)
        if reason:
            found.append(Refusal(name=b"/".join(link), reason=reason))
    return tuple(found)


def _target_refusal(link: TreePath, target: bytes) -> str | None:
    if not target or b"\0" in target:
        return "it is a link without a usable target"
    if len(target) > MAX_TARGET:
        return "its target is too long"
    if target.startswith(b"/"):
        return f"it is a link to the absolute path '{printable(target)}'"
    depth = len(link) - 1
    for part in target.split(b"/"):
        depth += 0 if part in {b"", b"."} else -1 if part == b".." else 1
        if depth < 0:
            return f"it is a link that leaves the tree, to '{printable(target)}'"
    return None


class _Walk:
    """Follows one link as the kernel would, on the member list instead of the disk."""

    def __init__(
        self, kinds: Mapping[TreePath, MemberKind], targets: Mapping[TreePath, bytes]
    ) -> None:
        self._kinds = kinds
        self._targets = targets
        self._hops = 0

    def refusal(self, link: TreePath) -> str | None:
        """Why the link leaves the tree, or cannot be shown to stay. Loops lead nowhere: fine."""
        here = list(link[:-1])
        todo = self._targets[link].split(b"/")[::-1]
        while todo:
            part = todo.pop()
            if part in {b"", b"."}:
                continue
            if part == b"..":
                reason = self._go_up(here)
                if reason:
                    return reason
                continue
            here.append(part)
            target = self._targets.get(tuple(here))
            if target is not None:
                self._hops += 1
                if self._hops > _MAX_HOPS or target.startswith(b"/"):
                    return None  # the kernel gives up too, or that link is refused itself
                here.pop()
                todo.extend(target.split(b"/")[::-1])
        return None

    def _go_up(self, here: list[bytes]) -> str | None:
        if not here:
            return "it is a link that leaves the tree through another link"
        if self._kinds.get(tuple(here)) is not MemberKind.DIRECTORY:
            # Another layer may have a link there, and '..' after a link may lead anywhere.
            return "it is a link through something that is not a directory of its layer"
        here.pop()
        return None
