"""What is passed over in a stream is counted and watched like what is read."""

from __future__ import annotations

import gzip
import hashlib
import io
import random

import pytest

from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.plain_stream import PlainStream

PLAIN = b"".join(number.to_bytes(4, "big") for number in range(200_000))


@pytest.mark.parametrize("packed", [PLAIN, gzip.compress(PLAIN)], ids=["plain", "gzip"])
def test_skipping_comes_to_the_same_place_as_reading(packed: bytes) -> None:
    digest, place, steps = hashlib.sha256(), 0, random.Random(4)
    stream = PlainStream(io.BytesIO(packed), DEFAULT_LIMITS, watch=digest.update)
    while place < len(PLAIN):
        count = steps.choice((0, 1, 511, 70_000, 300_000))
        if steps.random() < 0.5:
            assert stream.skip(count) == len(PLAIN[place : place + count])
        else:
            assert stream.read(count) == PLAIN[place : place + count]
        place = min(place + count, len(PLAIN))
        assert stream.tell() == place
    assert stream.skip(1) == 0
    assert digest.digest() == hashlib.sha256(PLAIN).digest()
