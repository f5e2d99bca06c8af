"""Values as they may be shown: what looks like a secret is not.

A name tells (``SECRET_KEY``), or the value does: a password in a URL, a private key, a long mix of
letters and digits. The mask has one length, whatever the value's.
"""

from __future__ import annotations

import re

from buildpack.support.errors import printable
from buildpack.support.secrets import is_secret_name

MASK = "********"
LONGEST_SHOWN = 200  # characters

# Up to the last '@' of the word: a password that holds '/' or '@' unescaped is hidden whole.
_USER_INFO = re.compile(r"(://[^\s:/@]*:)\S*(?=@)")
_TOKEN_AS_USER = re.compile(r"(://)[^\s:/@]{8,}(?=@)")
_IN_QUERY = re.compile(
    r"([?&;][\w.-]*(?:pass|secret|token|key|sig|auth)[\w.-]*=)[^&;\s]+", re.IGNORECASE
)
_TOKEN = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])[A-Za-z0-9_+=-][A-Za-z0-9_+/=-]{19,}")
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


def masked(name: str, value: str) -> str:
    """``value`` as it may stand in a list: on one line, without what looks like a secret."""
    if not value:
        return ""
    if is_secret_name(name) or is_secret_value(value):
        return MASK
    shown = _USER_INFO.sub(rf"\g<1>{MASK}", value)
    shown = _TOKEN_AS_USER.sub(rf"\g<1>{MASK}", shown)
    return printable(_IN_QUERY.sub(rf"\g<1>{MASK}", shown), limit=LONGEST_SHOWN)


def revealed(_name: str, value: str) -> str:
    """``value`` on one line, for who asked to see it."""
    return printable(value, limit=LONGEST_SHOWN)


def is_secret_value(value: str) -> bool:
    """Whether the whole value looks like a secret, whatever its name."""
    text = value.strip()
    return bool("PRIVATE KEY-----" in text or _TOKEN.fullmatch(text) or _JWT.fullmatch(text))


def holds_secret(name: str, value: str) -> bool:
    """Whether any part of the value would be masked."""
    return bool(value) and masked(name, value) != revealed(name, value)
