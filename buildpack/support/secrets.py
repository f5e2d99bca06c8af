"""Which values of an environment are secret, so that the printing door can leave them out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

SECRET_NAMES = re.compile(
    r"SECRET|PASSW|PASSPHRASE|TOKEN|PRIVATE|CREDENTIAL|SIGNING|COOKIE"
    r"|(^|_)(API_?|ACCESS_?)?KEY($|_)|(^|_)(PASS|SALT|DSN|PAT)($|_)|_(PWD|AUTH)$"
)
"""Names, in capitals, whose value is taken for a secret."""

PUBLIC_NAMES = re.compile(
    r"(KEY|TOKEN|SECRET)S?_(ID|NAME|PATH|FILE|DIR|URL|TTL|LENGTH)$"
    r"|_PRETEND_VERSION_FOR_"  # of setuptools-scm; a package's name follows: TOKEN_SERVICE
)
"""Names that speak of a secret without holding it."""

# The scheme has a longest length, so that a long value without any is not searched again and again.
IN_URL = re.compile(
    r"(?P<scheme>[a-z0-9+.-]{1,20})://(?P<user>[^/\s:@]*)(?::(?P<password>[^/\s@]+))?@"
)

SHORTEST = 4  # a shorter value is in every other word of a log
SHORTEST_USER = 8  # https://TOKEN@host: a shorter word is somebody's name
PLAIN_WORDS = frozenset({"true", "false", "none", "null", "test", "dummy", "changeme"})


def secret_values(env: Mapping[str, str]) -> tuple[str, ...]:
    """Values that must not reach a log: of telling names, and credentials inside URLs."""
    found: set[str] = set()
    for name, value in env.items():
        if is_secret_name(name):
            found.update(_lines(value))
        found.update(_credentials(value))
    kept = {s for s in found if len(s) >= SHORTEST and s.lower() not in PLAIN_WORDS}
    # The longest first, so that a secret inside another leaves nothing of it behind.
    return tuple(sorted(kept, key=lambda secret: (-len(secret), secret)))


def is_secret_name(name: str) -> bool:
    capitals = name.upper()
    return bool(SECRET_NAMES.search(capitals)) and not PUBLIC_NAMES.search(capitals)


def _lines(value: str) -> Iterator[str]:
    """A log is printed line by line: a key of many lines is found by each of them."""
    lines = value.splitlines()
    if len(lines) <= 1:
        yield value.strip()
        return
    # Lines such as "-----BEGIN PRIVATE KEY-----" and "}" tell nothing.
    yield from (line.strip() for line in lines if len(line.strip()) >= 12 and "-----" not in line)


def _credentials(value: str) -> Iterator[str]:
    for match in IN_URL.finditer(value):
        user, password = match["user"], match["password"]
        if password:
            yield from (password, unquote(password))
        elif match["scheme"].endswith(("http", "https")) and len(user) >= SHORTEST_USER:
            yield from (user, unquote(user))
