"""``FILE.slug.intoto.jsonl``: the signed statements beside a slug, one envelope on each line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from buildpack.support.files import write_atomically
from buildpack.support.values import changed
from slugc.small_file import read_bounded
from slugc.supply_chain.dsse import (
    Envelope,
    NotAnEnvelopeError,
    Signature,
    encode_envelope,
    merged,
    parse_envelope,
)
from slugc.supply_chain.errors import AttestationsNotWrittenError, AttestationsUnusableError
from slugc.supply_chain.statements import PAYLOAD_TYPE, parse_statement

SUFFIX = ".intoto.jsonl"
MAX_FILE = 32 * 1024 * 1024
MAX_LINES = 1000


def attestations_of(slug: Path) -> Path:
    """Where the signatures of a slug are looked for."""
    return slug.with_name(slug.name + SUFFIX)


def read_attestations(path: Path) -> tuple[Envelope, ...] | None:
    """Every envelope in the file; None when there is no such file."""

    def refuse(found: str) -> AttestationsUnusableError:
        return AttestationsUnusableError(path, found)

    content = read_bounded(path, limit=MAX_FILE, refuse=refuse)
    if content is None:
        return None
    if not content.endswith(b"\n"):
        found = "It is empty." if not content else "Its last line has no end: it is cut short."
        raise AttestationsUnusableError(path, found)
    lines = content[:-1].split(b"\n")
    if len(lines) > MAX_LINES:
        raise AttestationsUnusableError(path, f"It has more than {MAX_LINES:,} lines.")
    return tuple(_envelope(path, number, line) for number, line in enumerate(lines, 1))


def _envelope(path: Path, number: int, line: bytes) -> Envelope:
    try:
        return parse_envelope(line)
    except NotAnEnvelopeError as err:
        raise AttestationsUnusableError(path, f"Line {number} is no envelope: {err}.") from err


def combined(
    old: Iterable[Envelope], new: Sequence[Envelope], *, sha256: str
) -> tuple[Envelope, ...]:
    """The envelopes of a file after signing.

    What others signed stays; what these keys said of this file before is replaced; what is about
    another file is dropped, because the slug has been built again.
    """
    kinds = {kind_of(each) for each in new}
    keys = {signature.keyid for each in new for signature in each.signatures}
    signed = list(new)
    kept: list[Envelope] = []
    for each in old:
        same = next((n for n, x in enumerate(signed) if _says_the_same(x, each)), None)
        if same is not None:
            signatures = merged(each.signatures, signed[same].signatures)
            signed[same] = _with(each, signatures)
        elif not _is_about(each, sha256):
            continue
        elif kind_of(each) not in kinds:
            kept.append(each)
        elif others := [x for x in each.signatures if x.keyid not in keys]:
            kept.append(_with(each, others))
    return (*signed, *kept)


def _says_the_same(one: Envelope, other: Envelope) -> bool:
    return (one.payload_type, one.payload) == (other.payload_type, other.payload)


def _with(envelope: Envelope, signatures: Iterable[Signature]) -> Envelope:
    return changed(envelope, signatures=tuple(signatures))


def kind_of(envelope: Envelope) -> str | None:
    """The type of its predicate; None for what is no statement."""
    if envelope.payload_type != PAYLOAD_TYPE:
        return None
    statement = parse_statement(envelope.payload)
    return statement.predicate_type if statement else None


def _is_about(envelope: Envelope, sha256: str) -> bool:
    statement = parse_statement(envelope.payload)
    return envelope.payload_type != PAYLOAD_TYPE or (
        statement is not None and sha256 in statement.subjects
    )


def write_attestations(path: Path, envelopes: Iterable[Envelope]) -> None:
    """Replace the file; readers see the old one or the new one."""
    lines = b"".join(encode_envelope(each) + b"\n" for each in envelopes)
    try:
        write_atomically(path, lines)
    except OSError as err:
        raise AttestationsNotWrittenError(path, err.strerror or str(err)) from err
