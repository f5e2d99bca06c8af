"""Copies a directory into a fresh build dir, entry by entry, and refuses what a slug cannot hold.

Everything goes through directory descriptors and never follows a link, so neither a deep tree nor
one that changes under our feet leads out of it. The source itself is only read.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from buildpack.support.values import value
from slugc import left_out
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.left_out import LeftOut, LeftOutNotes
from slugc.privileges import Identity
from slugc.procfile import PROCFILE
from slugc.slugignore import IgnoreRules
from slugc.source_errors import (
    SourceChangedError,
    SourceRefusedError,
    SourceTooLargeError,
    SourceUnreadableError,
)

# Never part of an app: other people's history, and caches that any interpreter writes anew.
LEFT_OUT_NAMES = {
    ".git": left_out.HISTORY,
    ".hg": left_out.HISTORY,
    ".svn": left_out.HISTORY,
    "__pycache__": left_out.BYTECODE,
}
LEFT_OUT_AT_TOP = ".slug"  # what `slugc build` itself writes into the current directory
VENV_MARK = "pyvenv.cfg"  # PEP 405; a virtualenv names this machine's paths, and only runs here

# Told, not refused: these often hold a secret that would travel with the slug.
SECRET_NAMES = (
    ".env",
    ".env.*",
    ".aws",
    ".netrc",
    ".pypirc",
    "id_rsa",
    "id_ecdsa",
    "id_ed25519",
    "pip.conf",
    "*.pem",
)
NOT_SECRET = frozenset({".env.example", ".env.sample", ".env.template", ".env.dist"})
_SECRET = re.compile("|".join(fnmatch.translate(pattern) for pattern in SECRET_NAMES))

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@value
class Staged:
    """What a copy found, for the build log."""

    files: int
    size: int
    ignored: tuple[str, ...]
    """by .slugignore; a directory counts as one. A Procfile is named here, and copied."""
    left_out: tuple[str, ...]
    """virtualenvs, which are always left out"""
    secrets: tuple[str, ...]
    notes: LeftOut = LeftOut()
    """all that was left out, with its reason"""


class Stager:
    """One copy. Problems are gathered, so that all of them are told at once.

    ``excluded`` is (device, inode) of what lies in the source but is ours: the data directory.
    The ``limits`` are those of packing, so that what is staged can be packed.
    """

    def __init__(
        self,
        *,
        rules: IgnoreRules,
        owner: Identity,
        excluded: frozenset[tuple[int, int]] = frozenset(),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.rules, self.owner, self.excluded, self.limits = rules, owner, excluded, limits
        self.files = self.entries = self.size = 0
        self.ignored: list[str] = []
        self.left_out: list[str] = []
        self.secrets: list[str] = []
        self.notes = LeftOutNotes()
        self.refused: list[str] = []
        self.unreadable: list[str] = []

    def copy(self, source: Path, target: Path) -> Staged:
        """Copy ``source`` into the empty directory ``target``, or raise with all problems."""
        try:
            source_fd = os.open(source, _DIR & ~os.O_NOFOLLOW)
        except PermissionError as err:
            raise SourceUnreadableError((os.fspath(source),)) from err
        target_fd = os.open(target, _DIR)
        try:
            self._copy_entries(source_fd, target_fd, "", 1)
        finally:
            os.close(source_fd)
            os.close(target_fd)
        if self.refused:
            raise SourceRefusedError((*self.refused, *self.unreadable))
        if self.unreadable:
            raise SourceUnreadableError(self.unreadable)
        return Staged(
            files=self.files,
            size=self.size,
            ignored=tuple(self.ignored),
            left_out=tuple(self.left_out),
            secrets=tuple(self.secrets),
            notes=self.notes.result(),
        )

    def _copy_entries(self, source_fd: int, target_fd: int, below: str, depth: int) -> None:
        for name, path, status in self._wanted(source_fd, below):
            self._count(path, status)
            try:
                if stat.S_ISREG(status.st_mode):
                    self._copy_file(source_fd, target_fd, name, path)
                elif stat.S_ISLNK(status.st_mode):
                    self._copy_link(source_fd, target_fd, name, path)
                elif depth >= self.limits.depth:
                    self.refused.append(f"{path}: deeper than {self.limits.depth} directories")
                else:
                    self._copy_dir(source_fd, target_fd, name, path, depth)
            except PermissionError:
                self.unreadable.append(path)
            except FileNotFoundError as err:
                raise SourceChangedError(path) from err

    def _wanted(self, source_fd: int, below: str) -> Iterator[tuple[str, str, os.stat_result]]:
        """The entries to copy, in the order of their names."""
        for name in sorted(os.listdir(source_fd)):
            path = f"{below}{name}"
            if built_in := _built_in_reason(name, below):
                self.notes.add(path, built_in)
                continue
            try:
                status = os.lstat(name, dir_fd=source_fd)
            except FileNotFoundError as err:
                raise SourceChangedError(path) from err
            if self._is_wanted(name, path, status):
                yield name, path, status

    def _is_wanted(self, name: str, path: str, status: os.stat_result) -> bool:
        is_dir = stat.S_ISDIR(status.st_mode)
        if self.rules.ignores(path, is_dir=is_dir):
            self.ignored.append(path)
            # Without it there is nothing to run, which nobody means by leaving it out.
            if path != PROCFILE:
                self.notes.add(path, partial(self.rules.reason, path, is_dir=is_dir))
                return False
        if (status.st_dev, status.st_ino) in self.excluded:
            return False
        if what := _unfit(path, status, self.limits.path):
            self.refused.append(f"{path}: {what}")
            return False
        if _looks_secret(name):
            self.secrets.append(path)
        return True

    def _count(self, path: str, status: os.stat_result) -> None:
        self.entries += 1
        if self.entries > self.limits.entries:
            found = f"It holds more than {self.limits.entries:,} files and directories."
            raise SourceTooLargeError(found)
        if stat.S_ISREG(status.st_mode):
            self.size += status.st_size
        if self.size > self.limits.unpacked:
            found = f"It holds more than {self.limits.unpacked:,} bytes; {path} passed the limit."
            raise SourceTooLargeError(found)

    def _copy_dir(self, source_fd: int, target_fd: int, name: str, path: str, depth: int) -> None:
        below = os.open(name, _DIR, dir_fd=source_fd)
        try:
            if _holds(below, VENV_MARK):
                self.left_out.append(path)
                self.notes.add(path, left_out.VIRTUALENV)
                return
            os.mkdir(name, 0o755, dir_fd=target_fd)
            beside = os.open(name, _DIR, dir_fd=target_fd)
            try:
                self._own(beside)
                self._copy_entries(below, beside, f"{path}/", depth + 1)
            finally:
                os.close(beside)
        finally:
            os.close(below)

    def _copy_file(self, source_fd: int, target_fd: int, name: str, path: str) -> None:
        reader = os.open(name, _READ, dir_fd=source_fd)
        try:
            before = os.fstat(reader)
            # Times are left as they come: were they all the same, a later build could take a new
            # file of the same size for the old one.
            mode = 0o755 if before.st_mode & 0o111 else 0o644
            writer = os.open(name, _WRITE, mode, dir_fd=target_fd)
            try:
                copied = _pour(reader, writer, before.st_size)
                self._own(writer)
            finally:
                os.close(writer)
            after = os.fstat(reader)
        finally:
            os.close(reader)
        if copied != after.st_size or _stamp(before) != _stamp(after):
            raise SourceChangedError(path)
        self.files += 1

    def _copy_link(self, source_fd: int, target_fd: int, name: str, path: str) -> None:
        target = os.readlink(name, dir_fd=source_fd)
        if leaves_tree(path, target):
            self.refused.append(f"{path}: a link out of the source, to {target}")
            return
        os.symlink(target, name, dir_fd=target_fd)
        self._own(name, target_fd)
        self.files += 1

    def _own(self, what: int | str, dir_fd: int | None = None) -> None:
        """Root hands every entry to the user builds run as; anybody else owns it already."""
        if os.getuid() != 0:
            return
        if isinstance(what, int):
            os.fchown(what, self.owner.uid, self.owner.gid)
        else:
            os.chown(what, self.owner.uid, self.owner.gid, dir_fd=dir_fd, follow_symlinks=False)


def leaves_tree(path: str, target: str) -> bool:
    """Whether a link at ``path`` names a place outside the tree: absolute, or too many ``..``."""
    if target.startswith("/"):
        return True
    resolved = os.path.normpath(PurePosixPath(path).parent / target)
    return resolved == ".." or resolved.startswith("../")


def _unfit(path: str, status: os.stat_result, longest: int) -> str:
    """Why an entry of that kind cannot stand in a slug; empty when it can."""
    mode = status.st_mode
    for is_kind, what in (
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISCHR, "a character device"),
    ):
        if is_kind(mode):
            return what
    length = len(os.fsencode(path))
    return f"a path of {length:,} bytes; at most {longest:,}" if length > longest else ""


def _built_in_reason(name: str, below: str) -> str:
    if not below and name.endswith(LEFT_OUT_AT_TOP):
        return left_out.SLUG
    return LEFT_OUT_NAMES.get(name, "")


def _looks_secret(name: str) -> bool:
    return name not in NOT_SECRET and _SECRET.match(name) is not None


def _holds(directory_fd: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=directory_fd)
    except FileNotFoundError:
        return False
    return True


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _pour(reader: int, writer: int, size: int) -> int:
    """Copy to the end inside the kernel; the count of bytes. Stops soon after ``size``."""
    copied = 0
    while copied <= size:
        count = os.sendfile(writer, reader, None, 1 << 24)
        if count == 0:
            break
        copied += count
    return copied
