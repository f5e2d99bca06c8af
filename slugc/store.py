"""The content-addressed store of layers, shared by builds and by every container.

layers/<diff_id hex>/       the unpacked tree of a layer, never changed once it is there
frames/<diff_id hex>.zst    its compressed frame, copied into the next slug that has it
signatures/<hex>            which layer a tree with that stat signature holds
judged/<checksum hex>       this slug's layers fit together
locks/<hex>                 held while a layer is unpacked
locks/packing               held, shared, while a slug is put together from frames
uses/<hex>                  held, shared, while containers run from that layer

Everything but the locks can be made again, so all of it may go when it has not been used for long
(slugc/upkeep/). What is in use is known by locks, which the kernel frees when their holder dies;
when it was last used by the time of a file, which is set at most once an hour.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.locks import LockTimeoutError, locked, open_locked
from slugc.privileges import RUN_GID, RUN_UID
from slugc.slug import Slug

_SWEEP_EVERY = 60  # seconds
PARTS = ("layers", "frames", "signatures", "judged", "locks", "uses")
_UNPRIVILEGED = {"layers", "judged"}
"""Written by whom layers are unpacked as. What root writes by name lies in directories of its own:
who owns one can put links there."""
BUILDPACKS_LOCK = "buildpacks/.lock"
"""Below the data directory; held, shared, while a build finds its buildpacks and copies them."""
USE_NOTED_EVERY = 3600.0  # seconds


class StoreNotWritableError(SlugkitError):
    """There is no room in the store, or no right to write there."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "store-not-writable"

    def __init__(self, root: Path, found: str) -> None:
        self.root, self.found = root, found
        super().__init__(
            f"Slugkit cannot write to its store {root}",
            details=found,
            resolution="Make room there, or set SLUGKIT_HOME to another directory.",
        )


class Store:
    """One store. Safe to use from any number of processes, and to kill at any moment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept = float("-inf")

    def layer_dir(self, diff_id: str) -> Path:
        """Where the layer's tree is, or will be."""
        return self.root / "layers" / hex_of(diff_id)

    def frame_file(self, diff_id: str, suffix: str) -> Path:
        """Where the layer's compressed frame is, or will be."""
        return self.root / "frames" / f"{hex_of(diff_id)}{suffix}"

    def signature_file(self, signature: str) -> Path:
        """Where the layer of a tree with that stat signature is noted."""
        return self.root / "signatures" / signature

    def judged_file(self, checksum: str) -> Path:
        """Present once the layers of that slug were found to fit together."""
        return self.root / "judged" / hex_of(checksum)

    def lock_file(self, digest: str) -> Path:
        """The lock for everything made for that layer."""
        return self.root / "locks" / hex_of(digest)

    def use_file(self, diff_id: str) -> Path:
        """The lock that says whether containers run from that layer, and when last they did."""
        return self.root / "uses" / hex_of(diff_id)

    @property
    def packing_lock(self) -> Path:
        """Held alone, no frame that a slug is being made of can disappear."""
        return self.root / "locks" / "packing"

    def packing(self) -> contextlib.AbstractContextManager[None]:
        """While this is held, frames that were found are there to be copied."""
        return locked(self.packing_lock, shared=True)

    def create(self) -> None:
        """Make the store's directories."""
        try:
            for directory in (self.root, *(self.root / part for part in PARTS)):
                directory.mkdir(parents=True, exist_ok=True)
                _finish_directory(directory)
        except OSError as err:
            raise StoreNotWritableError(self.root, str(err)) from err

    @contextlib.contextmanager
    def temporary_frame(self) -> Iterator[Path]:
        """A new file beside the frames, to be renamed when its name is known; gone otherwise.

        It is not synced to the disk: frames are compared with their digest whenever they are
        used. While it is written its lock tells the sweep that somebody does.
        """
        self._sweep_frames()
        path = self.root / "frames" / f".{os.getpid()}.{os.urandom(4).hex()}.tmp"
        try:
            descriptor = open_locked(path)  # made once more if it was swept before it was locked
        except OSError as err:
            raise StoreNotWritableError(self.root, str(err)) from err
        try:
            yield path
        except OSError as err:
            raise StoreNotWritableError(self.root, str(err)) from err
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _sweep_frames(self) -> None:
        """Drop what packers that died left behind; a slug of many frames looks for it once."""
        if time.monotonic() - self._swept < _SWEEP_EVERY:
            return
        self._swept = time.monotonic()
        for path in (self.root / "frames").glob(".*.tmp"):
            with contextlib.suppress(LockTimeoutError), locked(path, timeout=0):
                path.unlink(missing_ok=True)  # who prunes takes it away without its lock

    @contextlib.contextmanager
    def layers_in_use(self, slug: Slug) -> Iterator[tuple[Path, ...]]:
        """``ensure_layers``, and nobody removes them while this is held."""
        self.create()
        with contextlib.ExitStack() as uses:
            for diff_id in {layer.diff_id for layer in slug.metadata.layers}:
                use = self.use_file(diff_id)
                uses.enter_context(locked(use, shared=True))
                note_use(use)
            yield self.ensure_layers(slug)

    def ensure_layers(self, slug: Slug) -> tuple[Path, ...]:
        """The unpacked layers of ``slug``, lowest first; what is missing is verified, then
        unpacked, without root's rights.

        Each directory holds what lies under ``./app/`` in the slug.
        """
        self.create()
        layers = slug.metadata.layers
        missing = tuple(x for x in layers if not self.layer_dir(x.diff_id).is_dir())
        if missing or not note_use(self.judged_file(slug.metadata.checksum)):
            from slugc.unpack import unpack_layers

            unpack_layers(self, slug, missing)
        return tuple(self.layer_dir(layer.diff_id) for layer in layers)


def note_use(path: Path) -> bool:
    """Say that a file or directory of ours is used, by its time; False if it is not there."""
    try:
        if abs(time.time() - path.lstat().st_mtime) > USE_NOTED_EVERY:
            os.utime(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError:
        pass  # somebody else's, or on a read-only file system: it only ages
    return True


def hex_of(digest: str) -> str:
    """The hexadecimal part of ``sha256:...``, which names files."""
    return digest.removeprefix("sha256:")


def _finish_directory(directory: Path) -> None:
    """Give a directory its mode and owner, if we are root.

    Asked every time, not only by who made it: that process may have been killed in between, or be
    about to do it; or have been another version's, which gave all of them away.
    """
    if os.getuid() != 0 or directory.is_symlink():
        return
    owner = RUN_UID if directory.name in _UNPRIVILEGED else 0
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if (found.st_uid, found.st_gid) != (owner, RUN_GID):
            os.fchmod(descriptor, 0o755)
            os.fchown(descriptor, owner, RUN_GID)
    finally:
        os.close(descriptor)
