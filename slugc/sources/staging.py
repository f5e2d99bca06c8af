"""Copies a directory into a fresh build dir, entry by entry, and refuses what a slug cannot hold.

Everything goes through directory descriptors and never follows a link, so neither a deep tree nor
one that changes under our feet leads out of it. The source itself is only read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import value
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.privileges import Identity
from slugc.procfile import PROCFILE
from slugc.sources import left_out
from slugc.sources.copying import ChangedMeanwhileError, copy_file, open_to_read
from slugc.sources.errors import (
    SourceChangedError,
    SourceRefusedError,
    SourceTooLargeError,
    SourceUnreadableError,
)
from slugc.sources.left_out import LeftOut, LeftOutNotes
from slugc.sources.secret_names import looks_secret
from slugc.sources.slugignore import IgnoreRules

# Never part of an app: other people's history, and caches that any interpreter writes anew.
LEFT_OUT_NAMES = {
    ".git": left_out.HISTORY,
    ".hg": left_out.HISTORY,
    ".svn": left_out.HISTORY,
    "__pycache__": left_out.BYTECODE,
}
LEFT_OUT_AT_TOP = ".slug"  # what `slugc build` itself writes into the current directory
NODE_MODULES, NODE_MANIFEST = "node_modules", "package.json"  # installed anew from the second
VENV_MARK = "pyvenv.cfg"  # PEP 405; a virtualenv names this machine's paths, and only runs here

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@value
class Staged:
    """What a copy found, for the build log."""

    files: int
    size: int
    ignored: tuple[str, ...]
    """by .slugignore; a directory counts as one"""
    left_out: tuple[str, ...]
    """virtualenvs, which are always left out"""
    modules: tuple[str, ...]
    """node_modules, which are left out where nothing asks for them"""
    secrets: tuple[str, ...]
    spares_procfile: bool = False
    """whether .slugignore names the Procfile, which is copied all the same"""
    notes: LeftOut = LeftOut()
    """all that was left out, with its reason"""
    newest: int = 0
    """when anything of it last changed (ctime, in nanoseconds)"""


class _LimitPassedError(Exception):
    """There is more than a slug may hold; the copy ends here."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


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
        self.files = self.entries = self.size = self.newest = 0
        self.ignored: list[str] = []
        self.left_out: list[str] = []
        self.modules: list[str] = []
        self.secrets: list[str] = []
        self.spares_procfile = False
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
        self.newest = os.fstat(source_fd).st_ctime_ns  # something may be missing from it
        try:
            self._copy_entries(source_fd, target_fd, "", 1)
        except _LimitPassedError as err:
            raise _too_large(source, self.rules, self.limits, what=err.what) from err
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
            modules=tuple(self.modules),
            secrets=tuple(self.secrets),
            spares_procfile=self.spares_procfile,
            notes=self.notes.result(),
            newest=self.newest,
        )

    def _copy_entries(self, source_fd: int, target_fd: int, below: str, depth: int) -> None:
        for name, path, status in self._wanted(source_fd, below):
            self._count(status)
            try:
                if stat.S_ISREG(status.st_mode):
                    self._copy_file(source_fd, target_fd, name, path, status)
                elif stat.S_ISLNK(status.st_mode):
                    self._copy_link(source_fd, target_fd, name, path)
                elif depth >= self.limits.depth:
                    self.refused.append(
                        f"{_named(path)}: deeper than {self.limits.depth} directories"
                    )
                else:
                    self._copy_dir(source_fd, target_fd, name, path, depth)
            except PermissionError:
                self.unreadable.append(path)
            except (ChangedMeanwhileError, FileNotFoundError) as err:
                raise SourceChangedError(path) from err

    def _wanted(self, source_fd: int, below: str) -> Iterator[tuple[str, str, os.stat_result]]:
        """The entries to copy, in the order of their names."""
        names = sorted(os.listdir(source_fd))
        for name in names:
            path = f"{below}{name}"
            if built_in := _built_in_reason(name, below):
                self.notes.add(path, built_in)
                continue
            try:
                status = os.lstat(name, dir_fd=source_fd)
            except FileNotFoundError as err:
                raise SourceChangedError(path) from err
            if name == NODE_MODULES and NODE_MANIFEST in names and self._is_left(path, status):
                continue
            if self._is_wanted(name, path, status):
                yield name, path, status

    def _is_left(self, path: str, status: os.stat_result) -> bool:
        """Whether this is a directory of installed modules that .slugignore says nothing of."""
        rules, is_dir = self.rules, stat.S_ISDIR(status.st_mode)
        if not is_dir or rules.keeps(path, is_dir=True) or rules.ignores(path, is_dir=True):
            return False
        self.modules.append(path)
        self.notes.add(path, left_out.NODE_MODULES)
        return True

    def _is_wanted(self, name: str, path: str, status: os.stat_result) -> bool:
        is_dir = stat.S_ISDIR(status.st_mode)
        if self.rules.ignores(path, is_dir=is_dir):
            # Without it there is nothing to run, which nobody means by leaving it out.
            if path == PROCFILE:
                self.spares_procfile = True
            else:
                self.ignored.append(path)
                self.notes.add(path, partial(self.rules.reason, path, is_dir=is_dir))
                return False
        if (status.st_dev, status.st_ino) in self.excluded:
            return False
        if what := unfit(path, status, self.limits.path):
            self.refused.append(f"{_named(path)}: {what}")
            return False
        if looks_secret(name):
            self.secrets.append(path)
        return True

    def _count(self, status: os.stat_result) -> None:
        self.entries += 1
        self.newest = max(self.newest, status.st_ctime_ns)
        if self.entries > self.limits.entries:
            raise _LimitPassedError("entries")
        if stat.S_ISREG(status.st_mode):
            # What unpacking gives, whatever room the file takes here: a tar stream has no holes.
            self.size += status.st_size
        if self.size > self.limits.unpacked:
            raise _LimitPassedError("bytes")

    def _copy_dir(self, source_fd: int, target_fd: int, name: str, path: str, depth: int) -> None:
        below = open_to_read(name, source_fd, _DIR)
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

    def _copy_file(
        self, source_fd: int, target_fd: int, name: str, path: str, seen: os.stat_result
    ) -> None:
        writer = copy_file(name, source_fd, target_fd, seen)
        try:
            self._own(writer)
        finally:
            os.close(writer)
        self.files += 1

    def _copy_link(self, source_fd: int, target_fd: int, name: str, path: str) -> None:
        target = os.readlink(name, dir_fd=source_fd)
        if leaves_tree(path, target):
            self.refused.append(f"{_named(path)}: a link out of the source, to {target}")
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


def _too_large(source: Path, rules: IgnoreRules, limits: Limits, *, what: str) -> SlugkitError:
    from slugc.sources.weighing import weigh  # for words alone

    allowed = limits.entries if what == "entries" else limits.unpacked
    return SourceTooLargeError(what, allowed, weigh(source, rules, by_entries=what == "entries"))


def leaves_tree(path: str, target: str) -> bool:
    """Whether a link at ``path`` names a place outside the tree: absolute, or too many ``..``."""
    if target.startswith("/"):
        return True
    resolved = os.path.normpath(PurePosixPath(path).parent / target)
    return resolved == ".." or resolved.startswith("../")


def unfit(path: str, status: os.stat_result, longest: int) -> str:
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


def _named(path: str) -> str:
    """A path of any length and any bytes, with room for what is said of it."""
    return printable(path, limit=120)


def _built_in_reason(name: str, below: str) -> str:
    if not below and name.endswith(LEFT_OUT_AT_TOP):
        return left_out.SLUG
    return LEFT_OUT_NAMES.get(name, "")


def _holds(directory_fd: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=directory_fd)
    except FileNotFoundError:
        return False
    return True
