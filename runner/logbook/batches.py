"""How a log file looks inside.

A file begins with ``slug-run log 1 TOKEN``. Batches follow, each a header, lines as they were
written, and a footer:

    TOKEN MICROSECONDS SOURCE NAME TAG OFFSET MARK LENGTH
    ... LENGTH bytes ...
    SIZE TOKEN

    TOKEN         eight hex digits, another for each file: nothing an app prints can look like ours
    MICROSECONDS  since 1970, when the lines were read; order is that of the file, not this
    SOURCE        app, slug-run, or state
    NAME          web.1, router, api
    TAG, OFFSET   whose spool, and up to where it is in the log; - and 0 for slug-run's own lines
    MARK          + where the last line was cut because it is too long, else -
    SIZE          of the whole batch, in ten digits: the way back from the end of a file

A batch without its footer does not count: its writer was killed, and the next one removes it. A
batch of ``state`` stands first in each file and says, for every spool there is, how far it was in
the log when the file was begun; so the newest file alone is enough to go on.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

from buildpack.support.values import value

MOST_PAYLOAD = 64 * 1024
FOOTER_SIZE = 20
LARGEST = MOST_PAYLOAD + FOOTER_SIZE + 512  # of a batch of lines

_FIRST = re.compile(rb"slug-run log 1 ([0-9a-f]{8})\n")
FIRST_SIZE = len(b"slug-run log 1 01234567\n")
_HEADER = re.compile(
    rb"([0-9a-f]{8}) ([0-9]{1,20}) (app|slug-run|state) ([!-~]{1,200}) ([!-~]{1,255})"
    rb" ([0-9]{1,20}) ([+-]) ([0-9]{1,9})\n"
)
_FOOTER = re.compile(rb"([0-9]{10}) ([0-9a-f]{8})\n")

NO_TAG = "-"

Buffer = bytes | mmap.mmap


class Source(StrEnum):
    """Who wrote a line."""

    APP = "app"
    SLUG_RUN = "slug-run"
    STATE = "state"
    """nobody: what a successor needs to know"""


@value
class Batch:
    """Lines that one writer had at one moment."""

    microseconds: int
    source: str
    name: str
    payload: bytes
    tag: str = NO_TAG
    offset: int = 0
    cut: bool = False
    """The last line goes on in a later batch, because it is too long for one."""


def moment(seconds: float) -> int:
    """Microseconds from what a clock says, in bounds whatever it says."""
    return min(max(0, int(seconds * 1_000_000)), 10**18)


def first_line(token: bytes) -> bytes:
    return b"slug-run log 1 %s\n" % token


def token_of(data: bytes) -> bytes | None:
    """The token of a file that begins with ``data``."""
    found = _FIRST.match(data)
    return found[1] if found else None


def encode(batch: Batch, token: bytes) -> bytes:
    """``batch`` as it is appended to the file with that token."""
    payload = batch.payload
    header = b"%s %d %s %s %s %d %s %d\n" % (
        token,
        batch.microseconds,
        batch.source.encode(),
        batch.name.encode(),
        batch.tag.encode(),
        batch.offset,
        b"+" if batch.cut else b"-",
        len(payload),
    )
    size = len(header) + len(payload) + FOOTER_SIZE
    return b"%s%s%010d %s\n" % (header, payload, size, token)


def decode(data: Buffer, start: int, token: bytes) -> tuple[int, Batch] | None:
    """The whole batch at ``start`` and where it ends; None if there is none."""
    header = _HEADER.match(data, start)
    if header is None or header[1] != token:
        return None
    begin = header.end()
    end = begin + int(header[8]) + FOOTER_SIZE
    if footer_size(data, end, token) != end - start:
        return None
    return end, Batch(
        microseconds=int(header[2]),
        source=header[3].decode(),
        name=header[4].decode(),
        payload=data[begin : end - FOOTER_SIZE],
        tag=header[5].decode(),
        offset=int(header[6]),
        cut=header[7] == b"+",
    )


def footer_size(data: Buffer, end: int, token: bytes) -> int | None:
    """How large the batch that ends at ``end`` says it is."""
    if end > len(data):
        return None
    footer = _FOOTER.fullmatch(data, max(0, end - FOOTER_SIZE), end)
    return int(footer[1]) if footer and footer[2] == token else None


def batches(data: Buffer, start: int, token: bytes) -> Iterator[tuple[int, int, Batch]]:
    """Start, end and content of each whole batch from ``start`` on.

    What is damaged (a power cut, a disk) is passed over if anything whole comes after it.
    """
    at = start
    while True:
        found = decode(data, at, token)
        while found is None:
            at = data.find(b"\n" + token + b" ", at) + 1
            if at == 0:
                return
            found = decode(data, at, token)
        yield at, found[0], found[1]
        at = found[0]


def encode_offsets(offsets: Mapping[str, int]) -> bytes:
    """What a batch of ``state`` holds: how far each spool is in the log."""
    return "".join(f"{tag} {offset}\n" for tag, offset in sorted(offsets.items())).encode("ascii")


def offsets_in(data: Buffer, token: bytes) -> dict[str, int]:
    """How far each spool is in the log, as far as one file tells."""
    found: dict[str, int] = {}
    for _, _, batch in batches(data, FIRST_SIZE, token):
        if batch.source == Source.STATE:
            for line in batch.payload.decode("ascii").splitlines():
                tag, _, offset = line.partition(" ")
                found[tag] = int(offset)
        elif batch.tag != NO_TAG:
            found[batch.tag] = batch.offset
    return found
