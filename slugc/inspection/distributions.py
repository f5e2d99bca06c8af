"""Python's distributions in a slug: what METADATA says of them, which files RECORD names."""

from __future__ import annotations

import csv
import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from buildpack.support.values import NOTHING, value
from slugc.inspection.contents import SlugEntry

_TELLING = ("METADATA", "RECORD")
_DIST_INFO = ".dist-info"
_LONGEST_LICENCE = 60  # some put the whole text into the field
_LICENCE_CLASSIFIER = "License :: "
_BYTECODE = re.compile(r"(?P<stem>.+)\.(?:cpython|pypy)-?\d+(?:\.opt-\d)?\.pyc")


@value
class FoundPackage:
    """What one package says of itself, and the paths of its files."""

    name: str
    version: str
    licence: str | None
    path: str
    files: Sequence[str]
    headers: Mapping[str, tuple[str, ...]] = NOTHING
    record_sha256: str | None = None


def is_telling(path: str) -> bool:
    """Whether this is METADATA or RECORD of a distribution."""
    directory, _, name = path.rpartition("/")
    return name in _TELLING and directory.endswith(_DIST_INFO)


def find(kept: Mapping[str, bytes], paths: Mapping[str, SlugEntry]) -> tuple[FoundPackage, ...]:
    """Every distribution, by name. Bytecode is whose source it was compiled from."""
    infos = sorted({path.rpartition("/")[0] for path in kept if is_telling(path)})
    files = {info: [x for x in _recorded(kept, info) if x in paths] for info in infos}
    owner = {path: info for info in reversed(infos) for path in files[info]}
    for path in paths:
        if path not in owner:
            info = _info_of(path, owner, files)
            if info is not None:
                files[info].append(path)
    return tuple(_package(kept, info, files[info]) for info in infos)


def _info_of(path: str, owner: Mapping[str, str], infos: Mapping[str, Sequence[str]]) -> str | None:
    """The distribution of a file that no RECORD names: bytecode, or a note in a .dist-info."""
    directory, _, name = path.rpartition("/")
    if directory.endswith("__pycache__"):
        found = _BYTECODE.fullmatch(name)
        return owner.get(f"{directory[:-11]}{found['stem']}.py") if found else None
    top, mark, _ = path.partition(f"{_DIST_INFO}/")
    return f"{top}{_DIST_INFO}" if mark and f"{top}{_DIST_INFO}" in infos else None


def _recorded(kept: Mapping[str, bytes], info: str) -> Iterator[str]:
    """The paths a RECORD names, from the slug's root. One that leaves it is nobody's."""
    site = posixpath.dirname(info)
    text = kept.get(f"{info}/RECORD", b"").decode("utf-8", "surrogateescape")
    for row in csv.reader(text.replace("\0", "").splitlines()):
        if row and not row[0].startswith("/"):
            path = posixpath.join(site, row[0])
            yield posixpath.normpath(path) if ".." in path or "//" in path else path


def _package(kept: Mapping[str, bytes], info: str, files: Sequence[str]) -> FoundPackage:
    headers = parse_headers(kept.get(f"{info}/METADATA", b""))
    name, _, version = posixpath.basename(info).removesuffix(_DIST_INFO).rpartition("-")
    record = kept.get(f"{info}/RECORD")
    return FoundPackage(
        name=_first(headers, "name") or name or version,
        version=_first(headers, "version") or (version if name else ""),
        licence=licence_of(headers),
        path=info,
        files=files,
        headers=headers,
        record_sha256=hashlib.sha256(record).hexdigest() if record is not None else None,
    )


def parse_headers(content: bytes) -> Mapping[str, tuple[str, ...]]:
    """The header of METADATA (core metadata, an e-mail's header), by lower-case name."""
    found: dict[str, list[str]] = {}
    last: list[str] = []
    for line in content.decode("utf-8", "replace").splitlines():
        if not line:
            break
        if line[0] in " \t" and last:
            last[-1] += f"\n{line.strip()}"
            continue
        name, colon, text = line.partition(":")
        if colon:
            last = found.setdefault(name.strip().lower(), [])
            last.append(text.strip())
    return {name: tuple(texts) for name, texts in found.items()}


def licence_of(headers: Mapping[str, tuple[str, ...]]) -> str | None:
    """The expression (PEP 639), else a short licence field, else the classifiers' last words."""
    if expression := _first(headers, "license-expression"):
        return expression
    words = _first(headers, "license")
    if words and len(words) <= _LONGEST_LICENCE and "\n" not in words and words != "UNKNOWN":
        return words
    classifiers = headers.get("classifier", ())
    named = [
        text.rpartition(" :: ")[2] for text in classifiers if text.startswith(_LICENCE_CLASSIFIER)
    ]
    return ", ".join(dict.fromkeys(named)) or None


def _first(headers: Mapping[str, tuple[str, ...]], name: str) -> str:
    return headers.get(name, ("",))[0]
