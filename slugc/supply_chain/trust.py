"""Whether a slug is what somebody trusted has signed. Also for whoever only runs slugs.

Signatures are over the sha256 of the whole file, so no byte of it can change: frames, index and
trailer, and nothing can be appended.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from buildpack.support.values import value
from slugc.slug import Slug, read_slug
from slugc.slug_verify import open_slug
from slugc.supply_chain.attestations import attestations_of, read_attestations
from slugc.supply_chain.dsse import Envelope, Signature
from slugc.supply_chain.errors import (
    AttestationsUnusableError,
    SignatureIncompleteError,
    SignatureMissingError,
    SignatureOfAnotherSlugError,
    SignatureUntrustedError,
    SignatureWrongError,
    SlugChangedError,
)
from slugc.supply_chain.keys import read_key
from slugc.supply_chain.signing import PublicKey, load_public_keys
from slugc.supply_chain.statements import (
    CYCLONEDX,
    PAYLOAD_TYPE,
    PROVENANCE,
    Statement,
    descriptor_sha256,
    parse_statement,
)

REQUIRED: Mapping[str, str] = {PROVENANCE: "provenance", CYCLONEDX: "SBOM"}
"""What a signed slug has beside it. One of them missing means that somebody removed it."""


@value
class Signed:
    """A slug with signatures. ``trusted`` are the ids of the keys that were given and have signed;
    ``others`` are what unknown signatures claim."""

    sha256: str
    trusted: tuple[str, ...]
    others: tuple[str, ...]


def read_public_keys(specs: Iterable[str], env: Mapping[str, str]) -> tuple[PublicKey, ...]:
    """The keys to trust, each once."""
    keys = [key for spec in specs for key in load_public_keys(read_key(spec, env))]
    return tuple({key.keyid: key for key in keys}.values())


def require_signature(
    slug: Slug, keys: Sequence[PublicKey], *, attestations: Path | None = None
) -> Signed:
    """What is known of the signatures of ``slug``; raises unless one of ``keys`` made them.

    Unpack only what ``slug.metadata`` names: its digests were compared with the signed file.
    """
    signed = check_signatures(slug, keys, attestations=attestations)
    if signed is None:
        raise SignatureMissingError(slug.archive, attestations or attestations_of(slug.archive))
    if not signed.trusted:
        raise SignatureUntrustedError(slug.archive, signed.others, ())
    return signed


def check_signatures(
    slug: Slug, keys: Sequence[PublicKey], *, attestations: Path | None = None
) -> Signed | None:
    """What is known of the signatures; None for a slug without.

    Raises where there are any and they are wrong, of another slug, or by none of ``keys``. Without
    keys nobody can tell who made them: they only have to be of this slug.
    """
    path = attestations or attestations_of(slug.archive)
    envelopes = read_attestations(path)
    if envelopes is None:
        return None
    sha256 = _sha256(slug)
    claimed = tuple(sorted({x.keyid for each in envelopes for x in each.signatures}))
    if not keys:
        _require_subject(slug, sha256, [_statement(path, each) for each in envelopes])
        return Signed(sha256=sha256, trusted=(), others=claimed)
    made = _made(slug, path, envelopes, keys)
    if not made:
        raise SignatureUntrustedError(slug.archive, claimed, [key.keyid for key in keys])
    _require_subject(slug, sha256, [each for told in made.values() for each in told])
    trusted = _complete(slug, sha256, made)
    return Signed(sha256=sha256, trusted=trusted, others=tuple(x for x in claimed if x not in made))


def _sha256(slug: Slug) -> str:
    """The digest of the file, which is the one that ``slug`` was read from."""
    descriptor = open_slug(slug)
    try:
        sha256 = descriptor_sha256(descriptor)
        again = read_slug(Path(f"/proc/self/fd/{descriptor}"))
    finally:
        os.close(descriptor)
    if again.metadata.checksum != slug.metadata.checksum:
        raise SlugChangedError(slug.archive)
    return sha256


def _made(
    slug: Slug, path: Path, envelopes: Iterable[Envelope], keys: Sequence[PublicKey]
) -> Mapping[str, Sequence[Statement]]:
    """By key, the statements it has signed. What is not signed by a key we know is not read."""
    made: dict[str, list[Statement]] = {}
    for envelope in envelopes:
        for signature in envelope.signatures:
            key = _signer(slug, envelope, signature, keys)
            statement = _statement(path, envelope) if key else None
            if key and statement:
                made.setdefault(key.keyid, []).append(statement)
    return made


def _signer(
    slug: Slug, envelope: Envelope, signature: Signature, keys: Sequence[PublicKey]
) -> PublicKey | None:
    """Who made a signature. One that claims to be of a key we know must be."""
    for key in keys:
        if signature.keyid in {"", key.keyid} and key.made(signature, envelope):
            return key
        if signature.keyid == key.keyid:
            found = "it did not sign what lies beside the slug."
            raise SignatureWrongError(slug.archive, key.keyid, found)
    return None


def _statement(path: Path, envelope: Envelope) -> Statement | None:
    if envelope.payload_type != PAYLOAD_TYPE:
        return None
    statement = parse_statement(envelope.payload)
    if statement is None:
        raise AttestationsUnusableError(path, "What is signed is no in-toto statement (v1).")
    return statement


def _require_subject(slug: Slug, sha256: str, told: Iterable[Statement | None]) -> None:
    subjects = {subject for each in told if each for subject in each.subjects}
    if sha256 not in subjects:
        raise SignatureOfAnotherSlugError(slug.archive, sha256, subjects)


def _complete(slug: Slug, sha256: str, made: Mapping[str, Sequence[Statement]]) -> tuple[str, ...]:
    """The keys that have signed everything that is required of this very file."""
    kinds = {
        key: {each.predicate_type for each in told if sha256 in each.subjects}
        for key, told in made.items()
    }
    complete = tuple(sorted(key for key, found in kinds.items() if found >= REQUIRED.keys()))
    if not complete:
        best = max(kinds.values(), key=lambda found: len(found & REQUIRED.keys()))
        missing = [name for kind, name in REQUIRED.items() if kind not in best]
        raise SignatureIncompleteError(slug.archive, " and ".join(missing))
    return complete
