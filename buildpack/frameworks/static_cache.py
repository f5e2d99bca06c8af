"""Keeps what collectstatic wrote, for the next build of exactly the same app.

Importing Django and copying files is most of what an unchanged rebuild would take. It is skipped
only when every input is the same (the app's files, its packages, its config vars) and when the
last run did nothing but add files to the build directory: a run that changed other files, or wrote
nothing here because the files go to a remote store, is always repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.app_digest import path_digest
from buildpack.cache import mark_used
from buildpack.support import files
from buildpack.support.values import value

Snapshot = Mapping[str, tuple[int, int, int]]


@value
class StaticCache:
    """The collected files of one exact app."""

    home: Path
    build_dir: Path

    def restore(self) -> int:
        """Put the files back; returns how many, 0 when there are none."""
        source = self.home / "files"
        names = sorted(snapshot(source))
        if not names:
            return 0
        import shutil

        for name in names:
            target = self.build_dir / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target)
        mark_used(self.home)
        return len(names)

    def save(self, before: Snapshot) -> None:
        """Keep what was added since ``before``, if nothing else happened."""
        after = snapshot(self.build_dir)
        added = sorted(after.keys() - before.keys())
        if not added or any(after.get(name) != facts for name, facts in before.items()):
            return
        import shutil

        with files.publishing_dir(self.home) as temporary:
            for name in added:
                target = temporary / "files" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.build_dir / name, target)


def static_cache(
    cache_dir: Path, build_dir: Path, *, venv_name: str, manage_py: str, env: Mapping[str, str]
) -> StaticCache:
    """The cache entry for this app as it is now, before collectstatic has run."""
    facts = {
        "app": path_digest(build_dir, "."),
        "venv": venv_name,
        "manage_py": manage_py,
        # Where this build happens differs from build to build, and decides nothing.
        "env": {
            k: v
            for k, v in sorted(env.items())
            if k not in {"PATH", "HOME", "TMPDIR"} and str(build_dir) not in v
        },
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return StaticCache(home=cache_dir / "static" / key, build_dir=build_dir)


def snapshot(root: Path) -> Snapshot:
    """Every file of the app, with what changes when it is written to."""
    found: dict[str, tuple[int, int, int]] = {}
    top = len(str(root)) + 1
    for directory, names, filenames in os.walk(root):
        if directory == str(root):
            names[:] = [name for name in names if name not in {".heroku", ".git"}]
        for name in filenames:
            path = f"{directory}/{name}"
            facts = os.lstat(path)
            found[path[top:]] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return found
