"""Files that often hold a secret, which would travel with the slug."""

from __future__ import annotations

import fnmatch
import re

SECRET_NAMES = (
    ".env",
    ".env.*",
    ".aws",
    ".netrc",
    ".pypirc",
    "id_rsa",
    "id_ecdsa",
    "id_ed25519",
    "pip.conf",
    "*.pem",
)
NOT_SECRET = frozenset({".env.example", ".env.sample", ".env.template", ".env.dist"})
_SECRET = re.compile("|".join(fnmatch.translate(pattern) for pattern in SECRET_NAMES))


def looks_secret(name: str) -> bool:
    """Whether a file or directory is called as those are."""
    return name not in NOT_SECRET and _SECRET.match(name) is not None
