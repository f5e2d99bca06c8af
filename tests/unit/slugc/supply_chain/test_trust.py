"""trust: what a trusted key signed is believed, and no byte of it can change."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode, SlugkitError
from slugc.slug import Slug, SlugFormat, read_slug
from slugc.slug_format import FOOTER_SIZE, ZSTD_END
from slugc.supply_chain.attestations import attestations_of, read_attestations
from slugc.supply_chain.errors import (
    AttestationsUnusableError,
    SignatureIncompleteError,
    SignatureMissingError,
    SignatureOfAnotherSlugError,
    SignatureUntrustedError,
    SignatureWrongError,
    SlugChangedError,
)
from slugc.supply_chain.sign import sign_slug
from slugc.supply_chain.signing import PrivateKey, PublicKey
from slugc.supply_chain.trust import check_signatures, require_signature
from tests.unit.slugc.supply_chain.material import APP, make_slug

ANYWHERE = 150
"""Random positions, beside every boundary."""


def require(path: Path, *keys: PublicKey) -> None:
    """As a runner would: from the file alone."""
    require_signature(read_slug(path), keys)


def flips(size: int, boundaries: set[int]) -> Iterator[tuple[int, int]]:
    """Positions and bits: both sides of every boundary, and anywhere."""
    rng = random.Random(7)
    near = {at + by for at in boundaries for by in (-1, 0, 1) if 0 <= at + by < size}
    for position in sorted(near | {rng.randrange(size) for _ in range(ANYWHERE)}):
        yield position, 1 << rng.randrange(8)


def test_a_signed_slug_is_believed(signed: Slug, key: PrivateKey) -> None:
    found = require_signature(read_slug(signed.archive), [key.public])
    assert found.trusted == (key.public.keyid,)
    assert found.others == ()


def test_every_changed_byte_of_the_slug_is_caught(signed: Slug, key: PrivateKey) -> None:
    content = signed.archive.read_bytes()
    offsets = {layer.offset for layer in signed.metadata.layers}
    end = sum(layer.size for layer in signed.metadata.layers)
    trailer = end + len(ZSTD_END)
    boundaries = offsets | {0, end, trailer, trailer + 8, len(content) - FOOTER_SIZE, len(content)}
    for position, bit in flips(len(content), boundaries):
        changed = bytearray(content)
        changed[position] ^= bit
        signed.archive.write_bytes(changed)
        with pytest.raises(SlugkitError):
            require(signed.archive, key.public)


@pytest.mark.parametrize("kind", list(SlugFormat))
def test_bytes_before_and_after_are_caught(
    tmp_path: Path, key: PrivateKey, kind: SlugFormat
) -> None:
    slug = make_slug(tmp_path, APP, slug_format=kind)
    sign_slug(slug, [key])
    content = slug.archive.read_bytes()
    require(slug.archive, key.public)
    skippable = bytes.fromhex("5e2a4d18 00000000")
    for changed in (
        content + b"\0",
        content + content,
        skippable + content,
        content + skippable,
        content[:-1],
        content[: len(content) // 2],
    ):
        slug.archive.write_bytes(changed)
        with pytest.raises(SlugkitError):
            require(slug.archive, key.public)


def test_every_changed_byte_of_the_signatures_is_caught(signed: Slug, key: PrivateKey) -> None:
    path = attestations_of(signed.archive)
    content = path.read_bytes()
    marks = (b'"payload"', b'"payloadType"', b'"signatures"', b'"keyid"', b'"sig"', b"\n", b"{")
    boundaries = {len(content)}
    for mark in marks:
        at = content.find(mark)
        while at >= 0:
            boundaries |= {at, at + len(mark), at + len(mark) + 2}
            at = content.find(mark, at + 1)
    for position, bit in flips(len(content), boundaries):
        changed = bytearray(content)
        changed[position] ^= bit
        path.write_bytes(changed)
        with pytest.raises(SlugkitError):
            require(signed.archive, key.public)
    for position in range(0, len(content), 97):  # any other byte, not only a flipped bit
        path.write_bytes(content[:position] + b" " + content[position + 1 :])
        with pytest.raises(SlugkitError):
            require(signed.archive, key.public)


def test_signatures_cut_anywhere_are_caught(signed: Slug, key: PrivateKey) -> None:
    path = attestations_of(signed.archive)
    content = path.read_bytes()
    line = content.index(b"\n")
    for size in (0, 1, line - 1, line, line + 1, line + 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(SlugkitError) as caught:
            require(signed.archive, key.public)
        assert caught.value.exit_code is ExitCode.DATA


def test_a_slug_without_signatures_is_unsigned_and_refused_where_one_is_required(
    slug: Slug, key: PrivateKey
) -> None:
    assert check_signatures(slug, [key.public]) is None
    assert check_signatures(slug, []) is None
    with pytest.raises(SignatureMissingError) as caught:
        require_signature(slug, [key.public])
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.text() == (
        f"The slug {slug.archive} is not signed\n\n"
        f"There is no file {slug.archive}.intoto.jsonl.\n\n"
        "Copy it together with the slug, or sign the slug with `slugc sign`."
    )


def test_a_key_nobody_trusts_is_refused(
    signed: Slug, key: PrivateKey, other_key: PrivateKey
) -> None:
    with pytest.raises(SignatureUntrustedError) as caught:
        require_signature(signed, [other_key.public])
    text = caught.value.text()
    assert f"signed with key {key.public.keyid}" in text
    assert f"trusted is key  {other_key.public.keyid}" in text
    assert "Check which public key was given with --key." in text
    with pytest.raises(SignatureUntrustedError):
        require_signature(signed, [])


def test_signatures_of_another_slug_are_refused(
    tmp_path: Path, signed: Slug, key: PrivateKey
) -> None:
    other = make_slug(tmp_path / "other", {**APP, "app.py": "pass"})
    attestations_of(other.archive).write_bytes(attestations_of(signed.archive).read_bytes())
    for keys in ([key.public], []):
        with pytest.raises(SignatureOfAnotherSlugError) as caught:
            check_signatures(other, keys)
    assert "signed was sha256:" in caught.value.text()
    assert "It was changed, or built again, after it was signed." in caught.value.text()


def test_a_signature_that_another_key_made_under_this_keys_name_is_wrong(
    slug: Slug, key: PrivateKey, other_key: PrivateKey
) -> None:
    sign_slug(slug, [other_key])
    path = attestations_of(slug.archive)
    forged = path.read_bytes().replace(other_key.public.keyid.encode(), key.public.keyid.encode())
    path.write_bytes(forged)
    with pytest.raises(SignatureWrongError) as caught:
        require_signature(slug, [key.public])
    assert f"Key {key.public.keyid}: it did not sign what lies beside" in caught.value.text()
    assert "Do not run it." in caught.value.text()


def test_signatures_without_a_name_are_tried_with_every_key(
    signed: Slug, key: PrivateKey, other_key: PrivateKey
) -> None:
    path = attestations_of(signed.archive)
    path.write_bytes(path.read_bytes().replace(key.public.keyid.encode(), b""))
    found = require_signature(signed, [other_key.public, key.public])
    assert found.trusted == (key.public.keyid,)
    with pytest.raises(SignatureUntrustedError, match="nobody who is trusted"):
        require_signature(signed, [other_key.public])


@pytest.mark.parametrize(("line", "missing"), [(0, "provenance"), (1, "SBOM")])
def test_a_statement_that_was_removed_is_missed(
    signed: Slug, key: PrivateKey, line: int, missing: str
) -> None:
    path = attestations_of(signed.archive)
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[line]
    path.write_bytes(b"".join(lines))
    with pytest.raises(SignatureIncompleteError) as caught:
        require_signature(signed, [key.public])
    assert f"No trusted key has signed its {missing}." in caught.value.text()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "It is empty."),
        (b"garbage\n", "Line 1 is no envelope: it is not JSON."),
        (b"\x00\xff" * 1000 + b"\n", "Line 1 is no envelope: it is not JSON."),
        (b"\n", "Line 1 is no envelope"),
        (b"{}\n" * 1001, "It has more than 1,000 lines."),
        (b"{}\n", "Line 1 is no envelope: it has not just the members payload,"),
    ],
)
def test_a_file_that_holds_no_signatures_is_told(
    slug: Slug, key: PrivateKey, content: bytes, found: str
) -> None:
    attestations_of(slug.archive).write_bytes(content)
    with pytest.raises(AttestationsUnusableError) as caught:
        check_signatures(slug, [key.public])
    assert caught.value.exit_code is ExitCode.DATA
    assert found in caught.value.text()
    assert "sign again with\n`slugc sign`" in caught.value.text()


def test_a_huge_file_is_not_read_whole(slug: Slug, key: PrivateKey) -> None:
    path = attestations_of(slug.archive)
    with path.open("wb") as file:
        file.truncate(40 * 1024**3)
    with pytest.raises(AttestationsUnusableError, match=r"cannot be used") as caught:
        check_signatures(slug, [key.public])
    assert "It is larger than 32,768 KiB." in caught.value.text()


def test_what_is_no_file_is_refused_and_not_waited_for(slug: Slug, key: PrivateKey) -> None:
    path = attestations_of(slug.archive)
    os.mkfifo(path)
    with pytest.raises(AttestationsUnusableError) as caught:
        check_signatures(slug, [key.public])
    assert "It is a FIFO." in caught.value.text()
    path.unlink()
    path.mkdir()
    with pytest.raises(AttestationsUnusableError):
        check_signatures(slug, [key.public])


def test_several_people_sign_one_slug(signed: Slug, key: PrivateKey, other_key: PrivateKey) -> None:
    sign_slug(signed, [other_key])
    envelopes = read_attestations(attestations_of(signed.archive))
    assert envelopes is not None
    assert [len(each.signatures) for each in envelopes] == [2, 2]
    for one, other in ((key, other_key), (other_key, key)):
        found = require_signature(signed, [one.public])
        assert (found.trusted, found.others) == ((one.public.keyid,), (other.public.keyid,))


def test_signing_once_more_changes_nothing(signed: Slug, key: PrivateKey) -> None:
    path = attestations_of(signed.archive)
    before = path.read_bytes()
    sign_slug(signed, [key])
    assert path.read_bytes() == before


def test_what_a_key_said_before_is_replaced_and_what_others_said_stays(
    signed: Slug, key: PrivateKey, other_key: PrivateKey
) -> None:
    sign_slug(signed, [other_key])
    sign_slug(signed, [key], builder_id="https://ci.example/")
    envelopes = read_attestations(attestations_of(signed.archive))
    assert envelopes is not None
    keyids = [{x.keyid for x in each.signatures} for each in envelopes]
    one, other = key.public.keyid, other_key.public.keyid
    assert sorted(keyids, key=sorted) == sorted([{one}, {one, other}, {other}], key=sorted)
    for each in (key, other_key):
        require_signature(signed, [each.public])


def test_signatures_of_the_last_build_are_dropped(
    tmp_path: Path, signed: Slug, key: PrivateKey, other_key: PrivateKey
) -> None:
    again = make_slug(tmp_path, {**APP, "app.py": "pass"})
    assert again.archive == signed.archive
    sign_slug(again, [other_key])
    envelopes = read_attestations(attestations_of(again.archive))
    assert envelopes is not None
    assert len(envelopes) == 2
    require_signature(again, [other_key.public])


def test_a_slug_that_was_replaced_after_it_was_opened_is_not_believed(
    tmp_path: Path, slug: Slug, key: PrivateKey
) -> None:
    good = make_slug(tmp_path / "good", {**APP, "app.py": "pass"})
    sign_slug(good, [key])
    slug.archive.write_bytes(good.archive.read_bytes())
    attestations_of(slug.archive).write_bytes(attestations_of(good.archive).read_bytes())
    with pytest.raises(SlugChangedError, match="changed while it was read"):
        require_signature(slug, [key.public])
