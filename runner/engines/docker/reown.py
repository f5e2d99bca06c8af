"""Gives every member of a tar stream another owner, on its way to the engine.

In a slug everything belongs to 0:0; in the container /app belongs to the app's user. Changing the
headers costs nothing; changing the files afterwards would copy each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from buildpack.support.errors import ExitCode, SlugkitError

BLOCK = 512


class TarStreamError(SlugkitError):
    """The slug's tar stream is not what this version of Slugkit writes."""

    exit_code = ExitCode.DATA
    id = "tar-stream"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            "The slug's layers cannot be read as a tar stream",
            details=found,
            resolution="Build the slug again with this version of slugc.",
        )


def reown(chunks: Iterable[bytes], *, uid: int, gid: int) -> Iterator[bytes]:
    """The stream with ``uid`` and ``gid`` in every header, ended as tar asks."""
    owner = b"%07o\0%07o\0" % (uid, gid)
    held = bytearray()  # less than a header
    content = 0  # bytes of file content still to pass on
    for chunk in chunks:
        view = memoryview(chunk)
        out = bytearray()
        while view:
            if content:
                out += view[:content]
                taken = min(content, len(view))
                content -= taken
                view = view[taken:]
                continue
            taken = BLOCK - len(held)
            held += view[:taken]
            view = view[taken:]
            if len(held) == BLOCK:
                content = _padded(_size(held))
                out += _with_owner(held, owner)
                held.clear()
        yield bytes(out)
    if held or content:
        raise TarStreamError(f"It ends {content or BLOCK - len(held)} bytes early.")
    yield bytes(2 * BLOCK)


def _with_owner(header: bytearray, owner: bytes) -> bytes:
    header[108:124] = owner
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _size(header: bytearray) -> int:
    if header[257:262] != b"ustar":
        raise TarStreamError(f"Here a header should begin: {bytes(header[:16])!r}")
    if header[156:157] in b"123456":  # links, devices, directories: no content, whatever they say
        return 0
    try:
        return int(bytes(header[124:136]).rstrip(b"\0 "), 8)
    except ValueError as err:
        raise TarStreamError(f"A member's size is {bytes(header[124:136])!r}") from err


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
