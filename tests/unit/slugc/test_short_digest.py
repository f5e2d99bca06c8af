"""The digest is hashlib's, whatever computes it."""

from __future__ import annotations

import hashlib

import pytest

from slugc import short_digest
from slugc.short_digest import hex_sha256


@pytest.mark.parametrize("names", [short_digest._BUILT_IN, ()])
def test_the_digest_is_that_of_hashlib(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short_digest, "_BUILT_IN", names)
    for content in (b"", b"slug", bytes(range(256)) * 50):
        assert hex_sha256(content) == hashlib.sha256(content).hexdigest()
