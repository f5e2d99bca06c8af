"""A slug's first frames, written before it is known what follows them.

Copying the frames of unchanged layers and getting them onto the disk takes longer than all else
that packing an unchanged app does, so it is done while build code runs. The file has no name
(O_TMPFILE) until the slug is whole: whatever happens before, nothing is left of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.files import fsync_dir
from buildpack.support.values import value
from slugc.slug import Layer
from slugc.store import Store


@value
class Draft:
    """An open file without a name. ``digests`` are those of the frames it holds."""

    descriptor: int
    digests: tuple[str, ...]

    def begins(self, layers: Sequence[Layer]) -> bool:
        """Whether a slug of these layers begins with what was written."""
        return self.digests == tuple(layer.digest for layer in layers[: len(self.digests)])

    def close(self) -> None:
        os.close(self.descriptor)


def begin_draft(
    directory: Path, layers: Sequence[Layer], store: Store, suffix: str
) -> Draft | None:
    """Write the frames of ``layers``; None where that cannot be done before the end."""
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError:
        return None  # not every file system has files without a name
    try:
        for layer in layers:
            copy_frame(store.frame_file(layer.diff_id, suffix), descriptor, layer)
        os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        return None  # what is wrong with the disk or the store shows, and is told, at the end
    return Draft(descriptor=descriptor, digests=tuple(layer.digest for layer in layers))


def copy_frame(frame: Path, out: int, layer: Layer) -> None:
    """Append a frame without its bytes passing through us."""
    source = os.open(frame, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        left = layer.size
        while left:
            copied = os.sendfile(out, source, None, left)
            if not copied:
                raise OSError(f"the frame {frame.name} in the store is cut short")
            left -= copied
    finally:
        os.close(source)


def give_name(descriptor: int, path: Path) -> None:
    """Put a file without a name at ``path``, on the disk as a whole, in the place of any other."""
    os.fchmod(descriptor, 0o644)
    os.fsync(descriptor)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    opened = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Python calls linkat(2), which follows this link, when given a directory; link(2) does not.
        os.link(str(descriptor), temporary, src_dir_fd=opened, follow_symlinks=True)
        temporary.replace(path)
    finally:
        os.close(opened)
        temporary.unlink(missing_ok=True)
    fsync_dir(path.parent)
