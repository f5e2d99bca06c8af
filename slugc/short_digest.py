"""sha256 of a few kilobytes, for who is in a hurry.

`hashlib` loads OpenSSL, two milliseconds of every start of a container. CPython has the function
itself as well, under a name of each version's own; where neither is there, hashlib it is.
"""

from __future__ import annotations

from typing import Any

_BUILT_IN = ("_sha2", "_sha256")  # from 3.12; before


def hex_sha256(content: bytes) -> str:
    """The digest of ``content``, as hexadecimal digits."""
    found: str = _sha256()(content).hexdigest()
    return found


def _sha256() -> Any:
    for name in _BUILT_IN:
        try:
            return __import__(name).sha256
        except ImportError:
            continue
    import hashlib

    return hashlib.sha256
