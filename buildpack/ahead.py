"""Trees of the last build that are linked once more, while this build thinks about what it needs.

They are begun as early as can be (early.py), and lie in the cache until it is known whether they
are the right ones; there, what a killed build leaves is reaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.early import PLACE, PREVIOUS
from buildpack.support.deletion import remove_tree

if TYPE_CHECKING:
    from buildpack.early import Early


def previous_build_dir(env: Mapping[str, str]) -> Path | None:
    """Where the last build's tree would be, if the slug compiler keeps one for us."""
    named = env.get(PREVIOUS, "")
    return Path(named) if named.startswith("/") else None


class TreesAhead:
    """Copies of trees in the cache, each to be moved to where the app has it."""

    def __init__(self, cache_dir: Path, early: Early | None = None) -> None:
        self.place = cache_dir / PLACE
        self._linking = early.linking if early else None
        trees = early.trees if early else ()
        self._copies = {Path(tree.source): Path(tree.target) for tree in trees}

    def copy_of(self, source: Path) -> Path | None:
        """Where there is a whole copy of ``source``, if it was the right one to begin with."""
        if source not in self._copies:
            return None
        linking, self._linking = self._linking, None
        if linking and not linking.finish():
            self._copies = {}
            remove_tree(self.place)  # there may be no room for both
        return self._copies.get(source)

    def take(self, source: Path, target: Path) -> bool:
        """Put the copy of ``source`` at ``target``, where nothing is yet; whether that was done."""
        copy = self.copy_of(source)
        if copy is None:
            return False
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            copy.rename(target)
        except OSError:
            return False
        return True

    def holds(self, source: Path, copy: Path) -> None:
        """From now on ``copy`` is one of ``source``, whatever it was before."""
        self._copies = {**{s: c for s, c in self._copies.items() if c != copy}, source: copy}

    def end(self) -> None:
        """Let nothing be linked any more that nobody has asked for."""
        linking, self._linking = self._linking, None
        if linking:
            linking.give_up()
        self._copies = {}
