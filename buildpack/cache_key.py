"""What a virtualenv is made of: the name it has in the cache, and why it had to be made anew.

Every fact is one line: what decides, and its value or a digest of it. Two builds with the same
facts get the same virtualenv; where they differ, the difference is what the user is told.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.app import App
from buildpack.app_digest import path_digest
from buildpack.cache import BYTECODE_FORMAT
from buildpack.installers.base import Dependencies
from buildpack.installers.uv_environment import installer_env, is_for_builds
from buildpack.runtime.install import Runtime
from buildpack.support import files
from buildpack.support.values import value
from buildpack.tools import tool_versions

MANAGER, OPTIONS = "the package manager", "the installer's options"

LAYOUT = "2"
"""Of virtualenvs in the cache; a new one leaves older entries alone until they are reaped."""

DECIDING_SETTINGS = frozenset(
    {
        "UV_DEFAULT_INDEX",
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_NO_INDEX",
        "UV_INDEX_STRATEGY",
        "UV_EXCLUDE_NEWER",
        "UV_CONSTRAINT",
        "CFLAGS",
        "LDFLAGS",
    }
)
"""Which index answered decides what was installed; how long we waited for it does not."""


@value
class VenvFacts:
    """Everything that decides a virtualenv, by what it is."""

    facts: Mapping[str, str]

    @property
    def key(self) -> str:
        """Its name in the cache."""
        text = json.dumps(self.facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def plus(self, more: Mapping[str, str]) -> VenvFacts:
        """These facts and some more."""
        return VenvFacts(facts={**self.facts, **more})

    def changes_since(self, earlier: Mapping[str, str]) -> tuple[str, ...]:
        """What differs from ``earlier`` facts, each a phrase for the log; () for a first build."""
        if not earlier:
            return ()
        names = sorted({*self.facts, *earlier})
        changed = [name for name in names if earlier.get(name) != self.facts.get(name)]
        if MANAGER in changed:  # Its choices and options have come with it.
            changed = [name for name in changed if not name.startswith(("choice of", OPTIONS))]
        return tuple(_phrase(name, earlier.get(name), self.facts.get(name)) for name in changed)


def venv_facts(
    app: App, runtime: Runtime, dependencies: Dependencies, env: Mapping[str, str]
) -> VenvFacts:
    """The facts of the virtualenv these dependencies give with this Python and these settings."""
    settings = installer_env(env)
    facts = {
        "the cache's layout": f"{LAYOUT} {BYTECODE_FORMAT}",
        "Python": f"{runtime.version} {runtime.build_id}",
        "the platform": f"{os.uname().machine} {libc_version()}",
        MANAGER: str(dependencies.manager),
        "uv": tool_versions()["uv"],
        OPTIONS: " ".join(dependencies.options),
    }
    for name, content in dependencies.inputs.items():
        facts[f"file {name}"] = _digest(content)
    if dependencies.requirements:
        facts["the locked requirements"] = _digest(dependencies.requirements.encode())
        if indexes := [x for x in dependencies.requirements.splitlines() if x.startswith("--")]:
            facts["the lock's index"] = _digest("\n".join(indexes).encode())
    for path in dependencies.local_paths:
        facts[f"directory {path}"] = path_digest(app.root, path)
    for name in (x for x in settings if x in DECIDING_SETTINGS or is_for_builds(x)):
        facts[f"setting {name}"] = _digest(settings[name].encode(errors="surrogateescape"))
    for path in settings.get("UV_CONSTRAINT", "").split():
        facts[f"file {path}"] = _content_digest(app.root / path)
    for name, choice in dependencies.facts.items():
        facts[f"choice of {name}"] = choice
    return VenvFacts(facts=facts)


def libc_version() -> str:
    """As platform.libc_ver says it, which takes longer to import than a build has."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")[2]
    except ValueError:
        return ""  # not glibc: it has no such name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content_digest(path: Path) -> str:
    try:
        return _digest(path.read_bytes())
    except OSError:
        return ""  # uv says what is wrong with it


def _phrase(name: str, before: str | None, now: str | None) -> str:
    kind, _, rest = name.partition(" ")
    shown = rest if kind in {"file", "directory"} else name
    shown = "the app's own package" if shown == "." else shown
    if before is None:
        return f"{shown} is new"
    if now is None:
        return f"{shown} is gone"
    if name in {"Python", "uv", MANAGER} or kind == "choice":
        old, new = (value.partition(" ")[0] or "none" for value in (before, now))
        if old != new:
            return f"{shown} changed from {old} to {new}"
    return f"{shown} changed"


def facts_file(cache_dir: Path) -> Path:
    return cache_dir / "last-venv.json"


def read_last_facts(cache_dir: Path) -> Mapping[str, str]:
    """The facts of the last successful build; {} when there was none, or it cannot be read."""
    try:
        found = json.loads(facts_file(cache_dir).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    is_facts = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if is_facts else {}


def write_last_facts(cache_dir: Path, facts: VenvFacts) -> None:
    """Remember them for the next build's log."""
    if read_last_facts(cache_dir) != facts.facts:
        files.write_atomically(facts_file(cache_dir), json.dumps(facts.facts, sort_keys=True))
