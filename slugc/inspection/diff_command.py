"""``slugc diff`` from its words to its text and exit code."""

from __future__ import annotations

import json
from pathlib import Path

from slugc.inspection.difference import compare
from slugc.inspection.difference_view import difference_document, difference_text, stat_text
from slugc.slug import read_slug


def diff_from_options(
    before: str, after: str, *, as_json: bool, stat: bool, cwd: Path
) -> tuple[str, bool]:
    """What to print, and whether the slugs are the same."""
    found = compare(read_slug(cwd / before), read_slug(cwd / after))
    if as_json:
        return json.dumps(difference_document(found), indent=2) + "\n", found.is_none
    return (stat_text(found) if stat else difference_text(found)), found.is_none
