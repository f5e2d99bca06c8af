"""Slugs that releases are made of: data_dir/slugs/<checksum>.slug, verified copies of our own.

A copy and no hard link: whoever writes into the file that was deployed, as `cp` over it does,
would change what a rollback brings back. Where the file system shares blocks a copy costs nothing.
`slugc prune` knows nothing of this directory; ``free`` is the only way out of it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from buildpack.support.files import publishing
from buildpack.support.locks import locked
from buildpack.support.values import value
from runner.deploys.errors import SlugGoneError, SlugNotKeptError, SlugReplacedError
from slugc.slug import (
    NotASlugError,
    Slug,
    SlugDamagedError,
    SlugIndexError,
    SlugMissingError,
    SlugSchemaError,
    SlugTruncatedError,
    read_slug,
    verify_slug,
)
from slugc.store import hex_of

_UNUSABLE = (
    NotASlugError,
    SlugDamagedError,
    SlugIndexError,
    SlugMissingError,
    SlugSchemaError,
    SlugTruncatedError,
)
_KEPT = re.compile(r"([0-9a-f]{64})\.slug")


@value
class FreedSlug:
    """A slug no release needed, and its bytes."""

    checksum: str
    size: int


class KeptSlugs:
    """The slugs of all apps of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "slugs"

    def path(self, checksum: str) -> Path:
        return self._root / f"{hex_of(checksum)}.slug"

    def has(self, checksum: str) -> bool:
        return self.path(checksum).is_file()

    def read(self, checksum: str, *, of: str) -> Slug:
        """The slug of the release called ``of``, from its index alone. Raises SlugGoneError."""
        if not self.has(checksum):
            raise SlugGoneError(of, checksum, self.path(checksum))
        return read_slug(self.path(checksum))

    def require_whole(self, checksum: str, *, of: str) -> Slug:
        """``read``, every byte compared with its digest."""
        slug = self.read(checksum, of=of)
        verify_slug(slug)
        return slug

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While this is held nobody frees a slug. Who makes a release of a slug holds it from
        before the slug is there until the release is."""
        with contextlib.ExitStack() as stack:
            try:
                with contextlib.suppress(FileExistsError):
                    self._root.mkdir(mode=0o700)
                lock = self._root / ".lock"
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                os.close(os.open(lock, flags, 0o600))
                stack.enter_context(locked(lock))
            except OSError as err:
                raise SlugNotKeptError(self._root, err.strerror or str(err)) from err
            yield

    def keep(self, slug: Slug) -> Slug:
        """The kept copy of ``slug``, made unless there is one. Only while ``held``."""
        path = self.path(slug.metadata.checksum)
        if _is_whole(path):
            return read_slug(path)
        try:
            self._sweep()
            with publishing(path, mode=0o600) as temporary:
                _copy(slug.archive, temporary)
                _require_same(slug, temporary)
        except OSError as err:
            raise SlugNotKeptError(self._root, err.strerror or str(err)) from err
        return read_slug(path)

    def free(self, needed: Callable[[], Collection[str]]) -> tuple[FreedSlug, ...]:
        """Remove the slugs that are not among the checksums of ``needed``."""
        if not self._root.is_dir():
            return ()
        freed = []
        with self.held():
            self._sweep()
            keep = {hex_of(checksum) for checksum in needed()}
            for path in sorted(self._root.iterdir()):
                found = _KEPT.fullmatch(path.name)
                if found and found[1] not in keep:
                    size = path.stat().st_size
                    path.unlink()
                    freed.append(FreedSlug(checksum=f"sha256:{found[1]}", size=size))
        return tuple(freed)

    def _sweep(self) -> None:
        """Copies somebody was killed over: nobody else makes one now."""
        for leftover in self._root.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        verify_slug(read_slug(path))
    except _UNUSABLE:
        return False  # a bad disk; the copy that is being deployed takes its place
    return True


def _require_same(slug: Slug, copy: Path) -> None:
    found = read_slug(copy)
    if found.metadata.checksum != slug.metadata.checksum:
        raise SlugReplacedError(slug.archive)
    try:
        verify_slug(found)
    except SlugDamagedError as err:
        raise SlugDamagedError(slug.archive, err.found) from err


def _copy(source: Path, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    # A FIFO that has taken the slug's place meanwhile is not waited for.
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with (
        os.fdopen(descriptor, "rb") as reader,
        os.fdopen(os.open(target, flags, 0o600), "wb") as writer,
    ):
        try:
            while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 30):
                pass
        except OSError:  # the kernel cannot between these file systems: the long way
            import shutil

            os.lseek(reader.fileno(), 0, os.SEEK_SET)
            os.lseek(writer.fileno(), 0, os.SEEK_SET)
            shutil.copyfileobj(reader, writer, 1 << 20)
