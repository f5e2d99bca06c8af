"""slugc verify --key: unsigned is told where nobody named a key, and wrong is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.errors import UsageError
from slugc.slug import Slug
from slugc.supply_chain.attestations import attestations_of
from slugc.supply_chain.errors import SignatureMissingError, SignatureUntrustedError
from slugc.supply_chain.sign import sign_slug
from slugc.supply_chain.signing import PrivateKey, public_pem
from slugc.supply_chain.verification import SignatureFacts, signatures_from_options


def verified(
    slug: Slug, *keys: Path, required: bool = False, signatures: str | None = None
) -> SignatureFacts:
    options = {
        "keys": tuple(map(str, keys)),
        "require_signature": required,
        "signatures": signatures,
    }
    return signatures_from_options(slug, options, env={}, cwd=slug.archive.parent)


@pytest.fixture
def public(tmp_path: Path, key: PrivateKey) -> Path:
    path = tmp_path / "deploy.pub"
    path.write_bytes(public_pem(key.public))
    return path


@pytest.fixture
def stranger(tmp_path: Path, other_key: PrivateKey) -> Path:
    path = tmp_path / "stranger.pub"
    path.write_bytes(public_pem(other_key.public))
    return path


def test_a_slug_without_signatures_is_told_to_be_unsigned(slug: Slug) -> None:
    assert verified(slug).text == "none: the slug is not signed"
    assert verified(slug).document == {"signed": False}


def test_who_names_a_key_is_not_content_with_an_unsigned_slug(slug: Slug, public: Path) -> None:
    """Whoever can change a slug can take its signatures away as well."""
    with pytest.raises(SignatureMissingError):
        verified(slug, public)
    with pytest.raises(SignatureMissingError):
        verified(slug, public, required=True)


def test_signatures_that_were_named_must_be_there(signed: Slug) -> None:
    with pytest.raises(SignatureMissingError) as caught:
        verified(signed, signatures="elsewhere")
    assert str(signed.archive.parent / "elsewhere") in caught.value.text()


def test_requiring_a_signature_needs_a_key(signed: Slug) -> None:
    with pytest.raises(UsageError) as caught:
        verified(signed, required=True)
    assert caught.value.text() == (
        "A signature is required, and no key is given to check it with\n\n"
        "Anybody can sign a slug: what counts is whose key it was.\n\n"
        "Name the public key with --key."
    )


def test_a_trusted_signature_is_told_with_its_key(
    signed: Slug, public: Path, key: PrivateKey, other_key: PrivateKey
) -> None:
    found = verified(signed, public, required=True)
    assert found.text == f"by key {key.public.keyid}, over every byte of the file"
    assert found.document["trusted"] == [key.public.keyid]
    sign_slug(signed, [other_key])
    assert verified(signed, public).text == (
        f"by key {key.public.keyid}, over every byte of the file; "
        f"also by key {other_key.public.keyid}, which nobody vouches for"
    )


def test_without_a_key_nothing_is_claimed(signed: Slug, key: PrivateKey) -> None:
    assert verified(signed).text == (
        f"not checked: it says by key {key.public.keyid}; give the public key with --key"
    )
    assert verified(signed).document["trusted"] == []


def test_while_keys_change_both_are_trusted(signed: Slug, public: Path, stranger: Path) -> None:
    public.write_bytes(public.read_bytes() + stranger.read_bytes())
    assert verified(signed, public, required=True).document["signed"] is True
    with pytest.raises(SignatureUntrustedError):
        verified(signed, stranger)


def test_signatures_may_lie_elsewhere(signed: Slug, public: Path) -> None:
    attestations_of(signed.archive).rename(signed.archive.parent / "elsewhere")
    assert verified(signed).document == {"signed": False}
    assert verified(signed, public, signatures="elsewhere").document["signed"] is True
