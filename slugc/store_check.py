"""Whether a store holds what the names in it say: everything is read, nothing is changed.

Layers are packed again in memory. One that another version of Slugkit cut into other frames
cannot be told from a damaged one; both may go, for every layer is unpacked again when needed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.values import value
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.plain_stream import DamagedStreamError, PlainStream
from slugc.archive.scan import check_links, scan_tree
from slugc.archive.writer import tar_bytes
from slugc.packing.cuts import cut_layer
from slugc.privileges import in_dropped_child, require_reachable
from slugc.slug import SlugFormat
from slugc.slug_index import joined
from slugc.store import Store

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1024 * 1024


class StoreDamagedError(SlugkitError):
    """Something in the store is not what its name says."""

    exit_code = ExitCode.CHECKSUM
    id = "store-damaged"

    def __init__(self, store: Path, problems: tuple[str, ...]) -> None:
        self.store, self.problems = store, problems
        super().__init__(
            f"The store {store} is not as it should be",
            details="\n".join(problems),
            resolution="Builds and containers may use it as it lies. Empty the store:\n\n"
            "    slugc prune --older-than 0",
        )


@value
class StoreCheck:
    """What was looked at, and what is wrong with it."""

    frames: int
    layers: int
    problems: tuple[str, ...]


def require_whole_store(store: Store) -> StoreCheck:
    """Raise StoreDamagedError for all that is wrong."""
    found = verify_store(store)
    if found.problems:
        raise StoreDamagedError(store.root, found.problems)
    return found


def verify_store(store: Store) -> StoreCheck:
    """Compare every frame and every unpacked layer with its name; without root's rights."""
    if not store.root.is_dir():
        return StoreCheck(frames=0, layers=0, problems=())
    require_reachable(store.root.parent)
    return in_dropped_child(partial(_verify, store.root))


def _verify(root: Path) -> StoreCheck:
    frames = _entries(root / "frames")
    layers = _entries(root / "layers")
    problems = [
        f"{path.parent.name}/{printable(path.name)}: {problem}"
        for check, paths in ((_frame_problem, frames), (_layer_problem, layers))
        for path in paths
        if (problem := _judged(check, path))
    ]
    return StoreCheck(frames=len(frames), layers=len(layers), problems=tuple(problems))


def _entries(directory: Path) -> list[Path]:
    """All but what is being made, or is about to be deleted."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def _judged(check: Callable[[Path], str | None], path: Path) -> str | None:
    try:
        return check(path)
    except FileNotFoundError:
        return None  # pruned while we looked
    except (DamagedStreamError, SlugkitError) as err:
        return str(err)
    except OSError as err:
        return err.strerror or str(err)


def _frame_problem(path: Path) -> str | None:
    digest, dot, suffix = path.name.partition(".")
    if not _DIGEST.fullmatch(digest) or f"{dot}{suffix}" not in {
        kind.suffix for kind in SlugFormat
    }:
        return "this is not the name of a frame"
    if path.is_symlink() or not path.is_file():
        return "it is not a file"
    with path.open("rb") as file:
        found = _sha256(_plain(file, path.stat().st_size))
    return None if found == digest else f"its content is {found}"


def _plain(file: BinaryIO, size: int) -> Iterator[bytes]:
    stream = PlainStream(file, Limits(packed=max(size, 1)))
    while chunk := stream.read(_CHUNK):
        yield chunk


def _layer_problem(path: Path) -> str | None:
    if not _DIGEST.fullmatch(path.name):
        return "this is not the name of a layer"
    if path.is_symlink() or not path.is_dir():
        return "it is not a directory"
    entries = scan_tree(path, DEFAULT_LIMITS)
    check_links(entries)
    digests = [
        f"sha256:{_sha256(tar_bytes(path, cut, root=number == 0))}"
        for number, cut in enumerate(cut_layer(entries))
    ]
    found = digests[0] if len(digests) == 1 else joined(digests)
    return None if found == f"sha256:{path.name}" else f"packed again it is {found}"


def _sha256(chunks: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for chunk in chunks:
        whole.update(chunk)
    return whole.hexdigest()
