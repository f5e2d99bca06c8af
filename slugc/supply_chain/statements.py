"""in-toto statements: what is said, and of which file, as bytes that can be signed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping

from buildpack.support.values import value
from slugc.slug import Slug
from slugc.slug_verify import open_slug

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
CYCLONEDX = "https://cyclonedx.org/bom"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

_CHUNK = 1024 * 1024


@value
class Statement:
    """A statement that was read. Its subjects are told by the sha256 of the whole file."""

    predicate_type: str
    subjects: frozenset[str]


def encode_statement(name: str, sha256: str, kind: str, predicate: Mapping[str, object]) -> bytes:
    """What is said of the file ``name``: sorted keys, no spaces, so always the same bytes."""
    document = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}}],
        "predicateType": kind,
        "predicate": predicate,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def parse_statement(payload: bytes) -> Statement | None:
    """A statement as anybody may write it; None for what is none."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    match document:
        case {"_type": str(kind), "subject": list(subjects), "predicateType": str(predicate)}:
            if kind != STATEMENT:
                return None
            digests = (each.get("digest") for each in subjects if isinstance(each, dict))
            named = [each.get("sha256") for each in digests if isinstance(each, dict)]
            told = frozenset(each for each in named if isinstance(each, str))
            return Statement(predicate_type=predicate, subjects=told)
    return None


def file_sha256(slug: Slug) -> str:
    """The sha256 of the whole file: frames, index, trailer, and whatever follows."""
    descriptor = open_slug(slug)
    try:
        return descriptor_sha256(descriptor)
    finally:
        os.close(descriptor)


def descriptor_sha256(descriptor: int) -> str:
    """The sha256 of an open file, from its first byte to its last."""
    digest = hashlib.sha256()
    position = 0
    while chunk := os.pread(descriptor, _CHUNK, position):
        digest.update(chunk)
        position += len(chunk)
    return digest.hexdigest()
