"""Paths in requirements: what is one, and does it stay in the source?"""

from __future__ import annotations

import re

from buildpack.app import App

ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_outside(app: App, path: str) -> bool:
    """Does a path from the app directory leave the source, of which the app may be a part?"""
    if path.startswith("/") or "\0" in path:
        return True
    return path.split("/", maxsplit=1)[0] == ".." and not app.is_inside(path)


def is_of_app(app: App, path: str) -> bool:
    """Is there anything at a path from the app directory, and inside the source?"""
    return not is_outside(app, path) and app.has(path)


def is_url(text: str) -> bool:
    """A URL without a name before it; ``git+`` and the like count."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|(git|hg|svn|bzr)\+|file:", text))


def is_path(text: str) -> bool:
    """A directory or archive of the app, as pip tells them: by a slash or by the suffix."""
    target = text.partition(";")[0].partition("[")[0].strip()
    if is_url(text) or " @ " in text:
        return False
    return target.startswith(".") or "/" in target or target.endswith(ARCHIVES)
