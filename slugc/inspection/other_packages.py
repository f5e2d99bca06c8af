"""Packages that have a directory to themselves: npm's, RubyGems', and the runtime."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from slugc.inspection.distributions import FoundPackage
from slugc.packing.layers import LAYER_DIRECTORIES

_NODE = re.compile(r"(?P<dir>(?:.*/)?node_modules/(?:@[^/]+/)?[^/@.][^/]*)/package\.json")
_NODE_FILE = re.compile(r"(?P<dir>(?:.*/)?node_modules/(?:@[^/]+/)?[^/@.][^/]*)/.*", re.S)
_GEM_FILE = re.compile(
    r"(?P<dir>(?P<home>.*/ruby/[^/]+)/gems/(?P<name>[^/]+?)-(?P<version>\d[^/]*))/.*", re.S
)
_GEMSPEC = re.compile(r".*/ruby/[^/]+/specifications/[^/]+\.gemspec")
_GEM_LICENCES = re.compile(r"\.licenses? = \[?(?P<list>[^\]\n]*)")
_NAMES = {"jdk": "java", "jvm": "java"}


def is_telling(path: str) -> bool:
    """Whether this is a package.json of an installed package, or an installed gem's gemspec."""
    if path.endswith("/package.json"):
        return _NODE.fullmatch(path) is not None
    return path.endswith(".gemspec") and _GEMSPEC.fullmatch(path) is not None


def find_node(kept: Mapping[str, bytes], paths: Collection[str]) -> tuple[FoundPackage, ...]:
    """Every directory of a node_modules that has a package.json; nested ones are their own."""
    files: dict[str, list[str]] = {
        found["dir"]: [] for path in sorted(kept) if (found := _NODE.fullmatch(path))
    }
    if not files:
        return ()
    for path in paths:
        found = _NODE_FILE.fullmatch(path)
        if found and found["dir"] in files:
            files[found["dir"]].append(path)
    return tuple(_node_package(kept, path, own) for path, own in files.items())


def _node_package(kept: Mapping[str, bytes], path: str, files: Sequence[str]) -> FoundPackage:
    said = _object(kept[f"{path}/package.json"])
    licence = said.get("license")
    if isinstance(licence, dict):  # as npm's packages wrote it until 2014
        licence = licence.get("type")
    fallback = path.rpartition("node_modules/")[2]
    return FoundPackage(
        name=_text(said.get("name")) or fallback,
        version=_text(said.get("version")),
        licence=_text(licence) or None,
        path=path,
        files=files,
    )


def _object(content: bytes) -> dict[str, object]:
    """A JSON object; one that cannot be read says nothing, and the directory's name stands."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def find_gems(kept: Mapping[str, bytes], paths: Collection[str]) -> tuple[FoundPackage, ...]:
    """Every directory below ``ruby/VERSION/gems``, as Bundler installs them."""
    files: dict[str, list[str]] = {}
    said: dict[str, re.Match[str]] = {}
    for path in paths:
        if "/gems/" in path and (found := _GEM_FILE.fullmatch(path)):
            files.setdefault(found["dir"], []).append(path)
            said[found["dir"]] = found
    return tuple(
        FoundPackage(
            name=said[path]["name"],
            version=said[path]["version"],
            licence=_gem_licence(kept, said[path]),
            path=path,
            files=files[path],
        )
        for path in sorted(files)
    )


def _gem_licence(kept: Mapping[str, bytes], gem: re.Match[str]) -> str | None:
    spec = f"{gem['home']}/specifications/{gem['name']}-{gem['version']}.gemspec"
    found = _GEM_LICENCES.search(kept.get(spec, b"").decode("utf-8", "replace"))
    named = re.findall(r"\"([^\"]+)\"|'([^']+)'", found["list"]) if found else []
    return ", ".join(one or other for one, other in named) or None


def find_runtimes(
    paths: Collection[str], taken: Collection[str], python_version: str | None
) -> tuple[FoundPackage, ...]:
    """What lies in the directories of the layer ``runtime``, and is no package's."""
    found: dict[str, list[str]] = {}
    for directory in dict(LAYER_DIRECTORIES)["runtime"]:
        own = [path for path in paths if path.startswith(f"{directory}/") and path not in taken]
        if own:
            found[directory] = own
    return tuple(_runtimes(found, python_version))


def _runtimes(found: Mapping[str, Sequence[str]], version: str | None) -> Iterator[FoundPackage]:
    for directory, files in found.items():
        name = posixpath.basename(directory).lstrip(".")
        name = _NAMES.get(name, name)
        yield FoundPackage(
            name=name,
            version=(version or "") if name == "python" else "",
            licence="PSF-2.0" if name == "python" else None,
            path=directory,
            files=files,
        )
