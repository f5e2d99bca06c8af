"""Gives one directory the files of another as hard links, from a list of their names.

Making a directory takes the kernel 20 microseconds, a link 8, and finding out what to link half as
much again: so a tree that never changes has its names written down once. Two processes do it in
less time than one. What goes wrong here is not told: whoever asked links the slow way, and that
tells.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

Listing = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""Directories, parents first, each with the files and links in it; b"" is the top."""

WORTH_A_PROCESS = 2000


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


def encode_listing(listing: Listing) -> bytes:
    """Names of files hold no slash, so a word with one at its end begins a directory."""
    words = [word for directory, names in listing for word in (directory + b"/", *names)]
    return b"\0".join(words) + b"\0"


def decode_listing(data: bytes) -> Listing | None:
    """The listing ``encode_listing`` made these bytes of; None when it did not."""
    if not data.startswith(b"/\0") or not data.endswith(b"\0"):
        return None
    found: list[tuple[bytes, list[bytes]]] = []
    for word in data[:-1].split(b"\0"):
        if word.endswith(b"/"):
            found.append((word[:-1], []))
        else:
            found[-1][1].append(word)
    return tuple((directory, tuple(names)) for directory, names in found)


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


def halves(listing: Listing) -> tuple[Listing, Listing]:
    """About as much work in each; a directory counts as three files."""
    total = sum(3 + len(names) for _, names in listing)
    done = 0
    for number, (_, names) in enumerate(listing):
        if done >= total / 2:
            return listing[:number], listing[number:]
        done += 3 + len(names)
    return listing, ()


class Linking:
    """Links ``listing`` in processes of their own, begun at once; ``finish`` says how it went."""

    def __init__(self, source: str, target: str, parts: Sequence[Listing]) -> None:
        self._children = [_fork(source, target, part) for part in parts if part]

    def finish(self) -> bool:
        """Wait; True if everything is linked."""
        codes = [os.waitpid(child, 0)[1] for child in self._children]
        self._children = []
        return not any(codes)


def _fork(source: str, target: str, part: Listing) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of ours on Ctrl-C
        link_listed(source, target, part)
        code = 0
    except OSError:
        code = 1
    finally:
        os._exit(code)
