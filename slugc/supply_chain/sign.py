"""Signing a slug: what is said of it, under every key that is given, in a file beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import UsageError, printable_path
from buildpack.support.values import value
from slugc.slug import Slug, read_slug
from slugc.supply_chain.attestations import (
    attestations_of,
    combined,
    read_attestations,
    write_attestations,
)
from slugc.supply_chain.dsse import Envelope
from slugc.supply_chain.errors import AttestationsNotWrittenError, KeyExistsError, SlugChangedError
from slugc.supply_chain.inventory import read_inventory
from slugc.supply_chain.keys import PASSPHRASE, Passphrase, read_key
from slugc.supply_chain.provenance import BUILDER_ID, RememberedRun, provenance_predicate
from slugc.supply_chain.sbom import sbom_document
from slugc.supply_chain.signing import (
    PrivateKey,
    load_private_key,
    new_private_key,
    private_pem,
    public_pem,
)
from slugc.supply_chain.statements import (
    CYCLONEDX,
    PAYLOAD_TYPE,
    PROVENANCE,
    encode_statement,
    file_sha256,
)

PRIVATE_SUFFIX, PUBLIC_SUFFIX = ".key", ".pub"


@value
class SignedFile:
    """What signing left."""

    attestations: Path
    sha256: str
    keyids: tuple[str, ...]


@value
class NewKeys:
    """A new pair of keys."""

    private: Path
    public: Path
    keyid: str


def statements_of(
    slug: Slug, *, builder_id: str = BUILDER_ID, run: RememberedRun | None = None
) -> tuple[str, tuple[bytes, ...]]:
    """The file's sha256 and the statements about it: its provenance and its SBOM."""
    sha256 = file_sha256(slug)
    items = read_inventory(slug)
    predicates = {
        PROVENANCE: provenance_predicate(slug, items, builder_id=builder_id, run=run),
        CYCLONEDX: sbom_document(slug, items),
    }
    # What was looked at must be what is signed.
    again = read_slug(slug.archive).metadata.checksum
    if again != slug.metadata.checksum or file_sha256(slug) != sha256:
        raise SlugChangedError(slug.archive)
    name = os.fsencode(slug.archive.name).decode("utf-8", "replace")
    statements = [
        encode_statement(name, sha256, kind, predicate) for kind, predicate in predicates.items()
    ]
    return sha256, tuple(statements)


def sign_slug(
    slug: Slug,
    keys: Sequence[PrivateKey],
    *,
    output: Path | None = None,
    builder_id: str = BUILDER_ID,
    run: RememberedRun | None = None,
) -> SignedFile:
    """Put the signed statements beside the slug; what others have signed stays."""
    path = output or attestations_of(slug.archive)
    old = read_attestations(path) or ()
    sha256, statements = statements_of(slug, builder_id=builder_id, run=run)
    new = [
        Envelope(
            payload_type=PAYLOAD_TYPE,
            payload=payload,
            signatures=tuple(key.sign(PAYLOAD_TYPE, payload) for key in keys),
        )
        for payload in statements
    ]
    write_attestations(path, combined(old, new, sha256=sha256))
    keyids = tuple(dict.fromkeys(key.public.keyid for key in keys))
    return SignedFile(attestations=path, sha256=sha256, keyids=keyids)


def read_private_keys(
    specs: Iterable[str],
    env: Mapping[str, str],
    *,
    passphrase: Passphrase,
    warn: Callable[[str], object],
) -> tuple[PrivateKey, ...]:
    """The keys to sign with, each once; ``warn`` is told of one that others can read."""
    found: dict[str, PrivateKey] = {}
    for spec in specs:
        text = read_key(spec, env)
        key = load_private_key(text, passphrase)
        if text.open_to_others:
            shown = printable_path(text.shown)
            warn(
                f"Other users can read the private key {shown}\n\n"
                f"Close it, and if they may have read it, make a new one:\n\n    chmod 600 {shown}"
            )
        found[key.public.keyid] = key
    return tuple(found.values())


def make_keys(name: Path, passphrase: bytes | None) -> NewKeys:
    """Write NAME.key for its owner alone and NAME.pub for everybody; never over another key."""
    private = name.with_name(name.name + PRIVATE_SUFFIX)
    public = name.with_name(name.name + PUBLIC_SUFFIX)
    for path in (private, public):
        if os.path.lexists(path):
            raise KeyExistsError(path)
    key = new_private_key()
    _write_new(private, private_pem(key, passphrase), mode=0o600)
    _write_new(public, public_pem(key.public), mode=0o644)
    return NewKeys(private=private, public=public, keyid=key.public.keyid)


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as err:
        raise KeyExistsError(path) from err
    except OSError as err:
        raise AttestationsNotWrittenError(path, err.strerror or str(err)) from err


def new_passphrase(env: Mapping[str, str], ask: Callable[[str], str | None]) -> bytes:
    """The passphrase of a new key: the variable, or typed twice."""
    given = env.get(PASSPHRASE)
    if given is None:
        given = ask("Passphrase for the new key: ")
        if given != ask("The same once more: "):
            raise UsageError("The two passphrases differ", resolution="Nothing was written.")
    if not given:
        raise UsageError(
            "A new key cannot be protected without a passphrase",
            resolution=f"Set {PASSPHRASE}, or make the key on a terminal.",
        )
    return os.fsencode(given)
