"""Links with absolute targets, which many buildpacks make and no slug can hold.

One that leads into the app is packed as the relative link to the same place. One that leads to a
file of the machine, as those in Debian's packages do (``.apt/etc/fonts/conf.d``), is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from buildpack.support.errors import printable
from slugc.archive.judge import TreePath
from slugc.archive.scan import Entry

_RUN_TIME = b"/app"


def settle_links(
    tree: Path, entries: Iterable[Entry]
) -> tuple[tuple[Entry, ...], dict[bytes, bytes]]:
    """The ``entries`` of the built ``tree`` as they are packed; and what is left out, by path with
    its target."""
    # The app's names: at run time, in a sandbox whose /tmp holds the build, and on this machine.
    names = (_RUN_TIME, b"/tmp/" + os.fsencode(tree.name), os.fsencode(tree))
    settled: list[Entry] = []
    left_out: dict[bytes, bytes] = {}
    for entry in entries:
        if not entry.target.startswith(b"/"):
            settled.append(entry)
        elif target := _relative(entry.path, entry.target, names):
            settled.append(entry._replace(target=target))
        else:
            left_out[b"/".join(entry.path)] = entry.target
    return tuple(settled), left_out


def links_text(left_out: Mapping[bytes, bytes]) -> str:
    """What was left out, for who would miss it."""
    some = [f"{printable(path)} -> {printable(to)}" for path, to in islice(left_out.items(), 3)]
    rest = [f"and {len(left_out) - 3:,} more"] if len(left_out) > 3 else []
    return "\n".join(("Left out, as links that lead out of the app:", *some, *rest))


def _relative(link: TreePath, target: bytes, names: Iterable[bytes]) -> bytes:
    """``target`` as seen from ``link``; nothing where it lies outside."""
    for name in names:
        inside = target.removeprefix(name)
        if inside != target and inside[:1] in {b"", b"/"}:
            parts = [part for part in inside.split(b"/") if part]
            return b"/".join((*[b".."] * (len(link) - 1), *parts)) or b"."
    return b""
