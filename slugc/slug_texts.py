"""What texts in a slug's index may be: it comes from strangers, and goes into paths and pages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from slugc.json_fields import Fields

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def name_from(path: Path) -> str:
    """What an app is called that nobody named: as its slug file is.

    The directory it was built from is no part of a slug, or a copy of it under another name would
    give other bytes.
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.partition(".")[0]).strip("-_")[:63] or "app"


def parse_name(fields: Fields) -> str:
    """The name that an index holds: one that a build takes, or none."""
    name = fields.text("name")
    if name and not _NAME.fullmatch(name):
        raise fields.wrong("name", "the name of an app")
    return name


def is_text(document: Mapping[str, object], content: bytes) -> bool:
    """Whether every text in it can be written down: JSON's escapes allow halves of characters."""
    if b"\\ud" not in content:
        return True
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
