"""``slugc verify`` from its options to its text and exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from buildpack.support.errors import printable_path
from slugc.inspection.difference_view import difference_document, difference_text
from slugc.inspection.inspect_command import terminal_width
from slugc.inspection.verification import Check, checks_text, verify_slug_file
from slugc.progress import make_progress
from slugc.slug import Slug, read_slug
from slugc.supply_chain.verification import SignatureFacts, signatures_from_options


def verify_from_options(
    slug: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> tuple[str, bool]:
    """What to print, and whether everything is as it must be; damage is raised."""
    found = read_slug(cwd / slug)
    signature = signatures_from_options(found, options, env=env, cwd=cwd)
    checks = (*verify_slug_file(found), Check(name="Signature", found=signature.text))
    if options["rebuild"] is not None:
        return _rebuilt(found, checks, signature, options, env, cwd)
    if options["as_json"] is True:
        return _json(_document(found, checks, signature)), True
    heading = f"{printable_path(found.archive)} is whole"
    return checks_text(heading, checks, width=terminal_width(env)), True


def _rebuilt(
    slug: Slug,
    checks: tuple[Check, ...],
    signature: SignatureFacts,
    options: Mapping[str, object],
    env: Mapping[str, str],
    cwd: Path,
) -> tuple[str, bool]:
    from slugc.inspection.rebuild import rebuild

    source = cast("str", options["rebuild"])
    quiet = options["quiet"] is True
    names = ("env", "env_file", "sandbox", "stack")
    given = {name: options[name] for name in names}
    if options["buildpacks"]:
        given["buildpacks"] = options["buildpacks"]
    with make_progress(env, quiet=quiet, color=None) as progress:
        found = rebuild(slug, source, given, env=env, cwd=cwd, progress=progress)
    if options["as_json"] is True:
        document = _document(slug, checks, signature)
        document["rebuild"] = {
            "same_bytes": found.same_bytes,
            "checksum": found.checksum,
            "difference": difference_document(found.difference) if found.difference else None,
        }
        return _json(document), found.same_bytes
    shown = printable_path(slug.archive)
    if found.difference is None:
        same = Check(name="Rebuild", found="byte for byte the same")
        heading = f"{shown} is whole, and what {printable_path(source)} builds"
        return checks_text(heading, (*checks, same), width=terminal_width(env)), True
    heading = f"{shown} is whole, but not what {printable_path(source)} builds here and now"
    return f"{heading}\n\n{difference_text(found.difference)}", False


def _document(
    slug: Slug, checks: tuple[Check, ...], signature: SignatureFacts
) -> dict[str, object]:
    return {
        "slug": str(slug.archive),
        "checksum": slug.metadata.checksum,
        "checks": [{"name": check.name, "found": check.found} for check in checks],
        "signature": dict(signature.document),
    }


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"
