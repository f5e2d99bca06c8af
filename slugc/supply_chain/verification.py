"""The part of ``slugc verify`` that is about signatures: options in, what was found out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import value
from slugc.slug import Slug
from slugc.supply_chain.errors import SignatureMissingError
from slugc.supply_chain.trust import (
    Signed,
    check_signatures,
    read_public_keys,
    require_signature,
)


@value
class SignatureFacts:
    """What is known of a slug's signatures, for a person and as JSON."""

    text: str
    document: Mapping[str, object]


def signatures_from_options(
    slug: Slug, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> SignatureFacts:
    """What ``--key``, ``--require-signature`` and ``--signatures`` ask for; raises if it is wrong.

    A slug without signatures is one of the facts where nobody named a key: who has one wants to
    know whether the slug is signed with it, and asks the exit code.
    """
    specs = cast("tuple[str, ...]", options.get("keys", ()))
    if options.get("require_signature") is True and not specs:
        raise UsageError(
            "A signature is required, and no key is given to check it with",
            details="Anybody can sign a slug: what counts is whose key it was.",
            resolution="Name the public key with --key.",
        )
    keys = read_public_keys(specs, env)
    given = options.get("signatures")
    attestations = cwd / given if isinstance(given, str) else None
    if attestations is not None and not attestations.exists():
        raise SignatureMissingError(slug.archive, attestations)
    check = require_signature if keys else check_signatures
    return _facts(check(slug, keys, attestations=attestations))


def _facts(signed: Signed | None) -> SignatureFacts:
    if signed is None:
        return SignatureFacts(text="none: the slug is not signed", document={"signed": False})
    others = [printable(each) or "without a name" for each in signed.others]
    if signed.trusted:
        text = f"by {_named(signed.trusted)}, over every byte of the file"
        text += f"; also by {_named(others)}, which nobody vouches for" if others else ""
    else:
        text = f"not checked: it says by {_named(others)}; give the public key with --key"
    document = {
        "signed": True,
        "sha256": signed.sha256,
        "trusted": list(signed.trusted),
        "others": list(signed.others),
    }
    return SignatureFacts(text=text, document=document)


def _named(keyids: tuple[str, ...] | list[str]) -> str:
    return f"key{'s' if len(keyids) > 1 else ''} {', '.join(keyids)}"
