"""Links the trees of the last build once more, while this build thinks about what it needs.

Most builds need those very trees, and linking them takes longer than everything else they do. So
another process begins with it at once, and helps when the build has decided. Until then they lie
in the cache, where what a killed build leaves is reaped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.support import files
from buildpack.support.linking import Linking, LinkingAside, is_alone, read_listing

PREVIOUS = "PREVIOUS_BUILD_DIR"
PLACE = Path("venvs") / ".ahead"
TREES = (("venvs", "venv"), ("runtimes", "python"))


def previous_build_dir(env: Mapping[str, str]) -> Path | None:
    """Where the last build's tree would be, if the slug compiler keeps one for us."""
    named = env.get(PREVIOUS, "")
    return Path(named) if named.startswith("/") else None


class TreesAhead:
    """Copies of trees in the cache, each to be moved to where the app has it."""

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir, self.place = cache_dir, cache_dir / PLACE
        self._copies: dict[Path, Path] = {}
        self._linking: LinkingAside | None = None

    def begin(self, build_dir: Path, env: Mapping[str, str]) -> None:
        """Start with the trees used last, where that can be done and is of use."""
        if previous_build_dir(env) is not None:
            return  # one of the last build will do
        try:
            if not is_alone() or build_dir.stat().st_dev != self.cache_dir.stat().st_dev:
                return
            trees = [tree for kind, name in TREES if (tree := self._last_used(kind, name))]
            if trees:
                self.place.mkdir()  # in the way, if a build was killed: reaped at the end of this
                self._linking = LinkingAside(trees)
                self._copies = {Path(tree.source): Path(tree.target) for tree in trees}
        except OSError:
            return  # they are linked when they are needed, and what is wrong is told then

    def copy_of(self, source: Path) -> Path | None:
        """Where there is a whole copy of ``source``, if it was the right one to begin with."""
        if source not in self._copies:
            return None
        linking, self._linking = self._linking, None
        if linking and not linking.finish():
            self._copies = {}
            files.remove_tree(self.place)  # there may be no room for both
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

    def _last_used(self, kind: str, name: str) -> Linking | None:
        with os.scandir(self.cache_dir / kind) as entries:
            homes = [entry for entry in entries if not entry.name.startswith(".")]
        home = max(homes, key=lambda entry: entry.stat().st_mtime_ns, default=None)
        listing = read_listing(Path(home.path, f"{name}.names")) if home else None
        if home is None or listing is None:
            return None
        source, target = f"{home.path}/{name}", f"{self.place}/{name}"
        return Linking(source=source, target=target, listing=listing)
