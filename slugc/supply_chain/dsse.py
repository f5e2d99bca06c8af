"""DSSE 1.0: envelopes around what is signed (github.com/secure-systems-lab/dsse).

Stricter than it must be in one respect: an envelope is read only in the compact spelling that
every writer of JSON lines uses, with no members but DSSE's, so that no byte of it can change
without being noticed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence

from buildpack.support.values import value

MAX_SIGNATURES = 100


@value
class Signature:
    """``keyid`` is a hint that nothing protects; it may be empty."""

    keyid: str
    sig: bytes


@value
class Envelope:
    """Bytes of a kind, and who signed them."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


class NotAnEnvelopeError(Exception):
    """Why a line is none; who reads the file says which line."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: the pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def encode_envelope(envelope: Envelope) -> bytes:
    """One line, without its end."""
    return _spelled(
        {
            "payloadType": envelope.payload_type,
            "payload": _base64(envelope.payload),
            "signatures": [
                {"keyid": each.keyid, "sig": _base64(each.sig)} for each in envelope.signatures
            ],
        }
    )


def parse_envelope(line: bytes) -> Envelope:
    """The envelope on one line."""
    try:
        document = json.loads(line)
        spelled = _spelled(document)
    except (ValueError, RecursionError) as err:
        raise NotAnEnvelopeError("it is not JSON") from err
    if spelled != line:
        raise NotAnEnvelopeError("it is not in JSON's compact form, or names a member twice")
    members = _members(document, {"payloadType", "payload", "signatures"})
    signatures = members["signatures"]
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise NotAnEnvelopeError(f"it has not 1 to {MAX_SIGNATURES} signatures")
    return Envelope(
        payload_type=_text(members["payloadType"]),
        payload=_decoded(members["payload"]),
        signatures=tuple(_signature(each) for each in signatures),
    )


def _signature(document: object) -> Signature:
    given = {"keyid": "", **document} if isinstance(document, dict) else document
    members = _members(given, {"keyid", "sig"})
    return Signature(keyid=_text(members["keyid"]), sig=_decoded(members["sig"]))


def _members(document: object, wanted: set[str]) -> Mapping[str, object]:
    if not isinstance(document, dict) or document.keys() != wanted:
        raise NotAnEnvelopeError(f"it has not just the members {', '.join(sorted(wanted))}")
    return document


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise NotAnEnvelopeError("a member that should be a text is none")
    return found


def _decoded(found: object) -> bytes:
    """Standard or URL-safe base64, in its one canonical spelling."""
    text = _text(found)
    try:
        raw = text.encode("ascii")
        safe = b"-" in raw or b"_" in raw
        decoded = base64.b64decode(raw, altchars=b"-_" if safe else None, validate=True)
    except (UnicodeEncodeError, binascii.Error) as err:
        raise NotAnEnvelopeError("a member that should be base64 is not") from err
    again = base64.urlsafe_b64encode(decoded) if safe else base64.b64encode(decoded)
    if again != raw:
        raise NotAnEnvelopeError("a member that should be base64 is not")
    return decoded


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _spelled(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def merged(old: Sequence[Signature], new: Sequence[Signature]) -> tuple[Signature, ...]:
    """One signature for each key: the new one where there are two."""
    by_key = {each.keyid: each for each in (*old, *new)}
    return tuple(by_key.values())
