"""Gives one directory the files of another as hard links, from a list of their names.

Making a directory takes the kernel 20 microseconds, a link 8, and finding out what to link half as
much again: so a tree that never changes has its names written down once. Two processes do it in
less time than one, and the other one may begin before it is known what is needed. What goes wrong
here is not told: whoever asked links the slow way, and that tells.

Imports os alone, because it is where bin/compile begins.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as in typing, which is not loaded where every millisecond counts
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

Listing = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""Directories, parents first, each with the files and links in it; b"" is the top."""

PIECE = 1000
"""The work of a piece: 2 to 4 ms."""


def list_tree(top: str) -> Listing:
    """Every name below ``top``."""
    found = []
    waiting = [b""]
    root = os.fsencode(top)
    while waiting:
        directory = waiting.pop()
        with os.scandir(root + b"/" + directory) as entries:
            listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        found.append((directory, tuple(name for name, is_dir in listed if not is_dir)))
        below = directory + b"/" if directory else b""
        waiting += [below + name for name, is_dir in reversed(listed) if is_dir]
    return tuple(found)


END = b"\0\0"
"""Of a whole listing, and nowhere else in one: after a power cut half of a file may be there."""


def encode_listing(listing: Listing) -> bytes:
    """Names of files hold no slash, so a word with one at its end begins a directory."""
    words = [word for directory, names in listing for word in (directory + b"/", *names)]
    return b"\0".join(words) + END


def decode_listing(data: bytes) -> Listing | None:
    """The listing ``encode_listing`` made these bytes of; None when it did not."""
    if not data.startswith(b"/\0") or data.find(END) != len(data) - len(END):
        return None
    found: list[tuple[bytes, list[bytes]]] = []
    for word in data[: -len(END)].split(b"\0"):
        if word.endswith(b"/"):
            found.append((word[:-1], []))
        else:
            found[-1][1].append(word)
    return tuple((directory, tuple(names)) for directory, names in found)


def read_listing(note: str) -> Listing | None:
    """The listing that was written there, if there is one."""
    try:
        with open(note, "rb") as file:  # noqa: PTH123 - pathlib is not loaded yet
            return decode_listing(file.read())
    except OSError:
        return None


def link_listed(source: str, target: str, listing: Listing) -> None:
    """Make the directories and links of ``listing`` in ``target``, which must be there."""
    old, new = os.fsencode(source), os.fsencode(target)
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    for directory, names in listing:
        place = new + b"/" + directory
        if directory:
            _make(place)
        if not names:
            continue
        from_fd = os.open(old + b"/" + directory, flags)
        to_fd = os.open(place, flags)
        try:
            for name in names:
                os.link(name, name, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
        finally:
            os.close(from_fd)
            os.close(to_fd)


def _make(place: bytes) -> None:
    try:
        os.mkdir(place, 0o755)  # noqa: PTH102 - bytes
    except FileExistsError:
        return  # by the other process
    except FileNotFoundError:
        _make(os.path.dirname(place))  # noqa: PTH120 - bytes
        _make(place)


def in_pieces(listing: Listing) -> list[Listing]:
    """About as much work in each; a directory counts as three files."""
    pieces: list[Listing] = []
    begun, weight = 0, 0
    for number, (_, names) in enumerate(listing, 1):
        weight += 3 + len(names)
        if weight >= PIECE or number == len(listing):
            pieces.append(listing[begun:number])
            begun, weight = number, 0
    return pieces


class Linking:
    """One tree to be linked: ``target`` is new, or not there yet."""

    __slots__ = ("listing", "source", "target")

    def __init__(self, *, source: str, target: str, listing: Listing) -> None:
        self.source, self.target, self.listing = source, target, listing


def is_alone() -> bool:
    """Whether another process is of use, and we are one that may fork and go on in the child."""
    return len(os.sched_getaffinity(0)) > 1 and len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - names alone


class LinkingAside:
    """Links trees in another process, begun at once; who waits for it does half of the work.

    Both take the next piece from a pipe that holds the numbers of all.
    """

    def __init__(self, trees: Sequence[Linking]) -> None:
        pieces = [(tree, piece) for tree in trees for piece in in_pieces(tree.listing)]
        self._pieces = pieces
        self._waiting, numbers = os.pipe()
        os.write(numbers, b"".join(number.to_bytes(2) for number in range(len(pieces))))
        os.close(numbers)
        for tree in trees:
            os.makedirs(tree.target, 0o755, exist_ok=True)  # noqa: PTH103 - strings here
        self.child = os.fork()
        if not self.child:
            self._link_and_end()

    def finish(self) -> bool:
        """Help, and wait; True if everything is linked."""
        try:
            self._link()
            is_done = True
        except OSError:
            is_done = False
        return self._end() == 0 and is_done

    def give_up(self) -> None:
        """Wait until nothing more is linked."""
        while os.read(self._waiting, 1024):
            pass
        self._end()

    def _link(self) -> None:
        while number := os.read(self._waiting, 2):
            tree, piece = self._pieces[int.from_bytes(number)]
            link_listed(tree.source, tree.target, piece)

    def _link_and_end(self) -> NoReturn:
        code = 1
        try:
            import signal

            signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of ours on Ctrl-C
            self._link()
            code = 0
        except OSError:
            code = 1
        finally:
            os._exit(code)

    def _end(self) -> int:
        os.close(self._waiting)
        return os.waitpid(self.child, 0)[1]
