"""Which archives the lock files in a slug name, by their digests.

A lock lists every archive of a release; which one was installed is told by its name's tags, as the
distribution's WHEEL has them, or because there is only one. Where it cannot be told, nothing is.
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from buildpack.support.cyclonedx import bare_url, json_object
from buildpack.support.names import normalized
from buildpack.support.values import value


@value
class Archive:
    """An archive that a lock names. ``name`` is its file's, empty where only a digest is given."""

    algorithm: str
    """sha256 or sha512"""
    digest: str
    name: str = ""
    url: str | None = None


Locked = Mapping[tuple[str, str], frozenset[Archive]]
"""By normalized name and version."""

_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_PINNED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;,]+)")
NODE_LOCKS = ("node_modules/.package-lock.json", "package-lock.json")


def is_lock(path: str) -> bool:
    """Whether the file at ``path`` is a lock that is read here."""
    return path in _READERS or path in NODE_LOCKS or _is_pylock(path)


def _is_pylock(path: str) -> bool:
    return re.fullmatch(r"pylock(?:\.[^./]+)?\.toml", path) is not None


def read_locks(kept: Mapping[str, bytes]) -> Locked:
    """What all Python locks among the ``kept`` files say."""
    found: dict[tuple[str, str], set[Archive]] = {}
    for path, content in sorted(kept.items()):
        reader = _pylock if _is_pylock(path) else _READERS.get(path)
        for name, version, archive in reader(content) if reader else ():
            found.setdefault((normalized(name), version), set()).add(archive)
    return {key: frozenset(archives) for key, archives in found.items()}


def installed_archive(archives: Collection[Archive], tags: Collection[str]) -> Archive | None:
    """The one archive of those a lock names that gave a distribution with these wheel ``tags``."""
    if len({archive.digest for archive in archives}) == 1:
        return max(archives, key=lambda archive: (archive.url or "", archive.name))
    fitting = [each for each in archives if tags and _tags_of(each.name) == set(tags)]
    digests = {each.digest for each in fitting}
    return max(fitting, key=lambda each: (each.url or "", each.name)) if len(digests) == 1 else None


def _tags_of(name: str) -> set[str]:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        return {str(tag) for tag in parse_wheel_filename(name)[3]}
    except InvalidWheelFilename:
        return set()


Found = Iterator[tuple[str, str, Archive]]


def _toml(content: bytes) -> Mapping[str, object]:
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError):
        return {}


def _objects(found: object) -> Iterable[Mapping[str, object]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _archive(said: Mapping[str, object], digest: object) -> Archive | None:
    match = _SHA256.fullmatch(_text(digest))
    if match is None:
        return None
    place = next((_text(said[key]) for key in ("url", "path") if key in said), "")
    name = _text(said.get("file")) or _text(said.get("name")) or place.partition("#")[0]
    return Archive(
        algorithm="sha256",
        digest=match[1],
        name=name.rpartition("/")[2].partition("?")[0],
        url=bare_url(place),
    )


def _packages(content: bytes, key: str, files: Callable[[Mapping[str, object]], Found]) -> Found:
    for package in _objects(_toml(content).get(key)):
        yield from files(package)


def _each(
    package: Mapping[str, object], said: Iterable[Mapping[str, object]], digest: str
) -> Found:
    name, version = _text(package.get("name")), _text(package.get("version"))
    for each in said:
        hashes = each.get("hashes")
        found = each.get(digest)
        if isinstance(hashes, dict):
            found = f"sha256:{hashes.get('sha256')}"
        if name and version and (archive := _archive(each, found)):
            yield name, version, archive


def _uv(content: bytes) -> Found:
    return _packages(content, "package", lambda package: _each(package, _built(package), "hash"))


def _pylock(content: bytes) -> Found:
    return _packages(content, "packages", lambda package: _each(package, _built(package), "hash"))


def _built(package: Mapping[str, object]) -> list[Mapping[str, object]]:
    single = [package.get("sdist"), package.get("archive")]
    return [*_objects(package.get("wheels")), *_objects(single)]


def _files(content: bytes) -> Found:
    """Poetry's and PDM's."""
    return _packages(
        content, "package", lambda package: _each(package, _objects(package.get("files")), "hash")
    )


def _pipenv(content: bytes) -> Found:
    pinned = json_object(content).get("default")
    for name, said in (pinned if isinstance(pinned, dict) else {}).items():
        if isinstance(said, dict) and isinstance(said.get("hashes"), list):
            version = _text(said.get("version")).removeprefix("==")
            for digest in said["hashes"]:
                if archive := _archive({}, digest):
                    yield name, version, archive


def _requirements(content: bytes) -> Found:
    for line in content.decode("utf-8", "replace").replace("\\\n", " ").splitlines():
        if pinned := _PINNED.match(line):
            for digest in re.findall(r"--hash[= ](sha256:[0-9a-f]{64})(?![0-9a-f])", line):
                if archive := _archive({}, digest):
                    yield pinned[1], pinned[2], archive


_READERS: Mapping[str, Callable[[bytes], Found]] = {
    "Pipfile.lock": _pipenv,
    "pdm.lock": _files,
    "poetry.lock": _files,
    "requirements.txt": _requirements,
    "uv.lock": _uv,
}


def read_node_lock(kept: Mapping[str, bytes]) -> Mapping[str, tuple[str, Archive]]:
    """What npm's lock says: version and archive by the package's directory."""
    found: dict[str, tuple[str, Archive]] = {}
    for path in reversed(NODE_LOCKS):  # what npm noted of the installation counts more
        packages = json_object(kept.get(path)).get("packages")
        for where, said in (packages if isinstance(packages, dict) else {}).items():
            if isinstance(said, dict) and (archive := _integrity(said)):
                found[where] = (_text(said.get("version")), archive)
    return found


def _integrity(said: Mapping[str, object]) -> Archive | None:
    """The strongest digest of a Subresource Integrity text."""
    for algorithm, size in (("sha512", 64), ("sha256", 32)):
        for word in _text(said.get("integrity")).split():
            kind, _, encoded = word.partition("-")
            try:
                digest = base64.b64decode(encoded.partition("?")[0], validate=True)
            except binascii.Error:
                continue
            if kind == algorithm and len(digest) == size:
                url = bare_url(said.get("resolved"))
                return Archive(algorithm=algorithm, digest=digest.hex(), url=url)
    return None
