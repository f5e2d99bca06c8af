"""A slug's first frames, written before it is known what follows them.

Copying the frames of unchanged layers and getting them onto the disk takes longer than all else
that packing an unchanged app does, so it is done while build code runs. The file has no name
(O_TMPFILE) until the slug is whole: whatever happens before, nothing is left of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.files import fsync_dir, require_replaceable
from buildpack.support.values import value
from slugc.slug import Frame
from slugc.store import Store


@value
class Draft:
    """An open file without a name, and the frames it holds."""

    descriptor: int
    frames: tuple[Frame, ...]

    def keep(self, frames: Sequence[Frame]) -> int:
        """How many of ``frames`` it begins with; what it holds beside them is cut off."""
        count = size = 0
        for ours, wanted in zip(self.frames, frames, strict=False):
            if ours.digest != wanted.digest:
                break
            count, size = count + 1, size + ours.size
        os.ftruncate(self.descriptor, size)
        os.lseek(self.descriptor, size, os.SEEK_SET)
        return count

    def close(self) -> None:
        os.close(self.descriptor)


def begin_draft(
    directory: Path, frames: Sequence[Frame], store: Store, suffix: str
) -> Draft | None:
    """Write these frames; None where that cannot be done before the end."""
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError:
        return None  # not every file system has files without a name
    try:
        for frame in frames:
            copy_frame(store.frame_file(frame.diff_id, suffix), descriptor, frame)
        os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        return None  # what is wrong with the disk or the store shows, and is told, at the end
    return Draft(descriptor=descriptor, frames=tuple(frames))


def copy_frame(file: Path, out: int, frame: Frame) -> None:
    """Append a frame without its bytes passing through us."""
    source = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        left = frame.size
        while left:
            copied = os.sendfile(out, source, None, left)
            if not copied:
                raise OSError(f"the frame {file.name} in the store is cut short")
            left -= copied
    finally:
        os.close(source)


def give_name(descriptor: int, path: Path) -> None:
    """Put a file without a name at ``path``, on the disk as a whole, in the place of any other."""
    require_replaceable(path)
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
