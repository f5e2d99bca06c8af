"""The one spelling of a distribution's name that all tools compare by."""

from __future__ import annotations

import re


def normalized(name: str) -> str:
    """A distribution's, extra's or group's name as indexes and lock files have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
