"""``${NAME}`` in requirements, and what must not be seen of its value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from buildpack.requirement_lines import RequirementLine

VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")
"""The only form pip expands: ``$NAME`` and lower case stay as they are."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with ``${NAME}`` filled in, as pip does; a name without a value stays."""
    return VARIABLE.sub(lambda match: variables.get(match["name"]) or match[0], text)


def variable_names(lines: Iterable[RequirementLine]) -> Mapping[str, RequirementLine]:
    """Every ``${NAME}`` the lines use, with the first line that does."""
    found: dict[str, RequirementLine] = {}
    for line in lines:
        for match in VARIABLE.finditer(line.text):
            found.setdefault(match["name"], line)
    return found


URL_PASSWORD = re.compile(r"://(?P<userinfo>[^/\s@]+)@")


def secrets_in(text: str) -> tuple[str, ...]:
    """Passwords and tokens written out in URLs; user names of ssh are none."""
    found: set[str] = set()
    for match in URL_PASSWORD.finditer(text):
        user, colon, password = match["userinfo"].partition(":")
        secret = password if colon else user
        if not VARIABLE.search(secret) and secret not in {"", "git", "x-oauth-basic"}:
            found.add(secret)
        if password == "x-oauth-basic":  # noqa: S105 - GitHub's way to say "the user is a token"
            found.add(user)
    return tuple(sorted(found, key=len, reverse=True))


def used_variables(text: str, env: Mapping[str, str]) -> dict[str, str]:
    """The variables that ``text`` names as ``${NAME}``, with their values."""
    names = {match["name"] for match in VARIABLE.finditer(text)}
    return {name: env[name] for name in sorted(names) if env.get(name)}


def url_secrets(text: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Values that stand in URLs; a version number in a variable may be seen."""
    lines = (line for line in text.splitlines() if _may_hold_url(line))
    in_urls = used_variables("\n".join(lines), variables)
    nested = (secret for value in in_urls.values() for secret in secrets_in(value))
    return (*in_urls.values(), *nested)


def _may_hold_url(line: str) -> bool:
    return "://" in line or "@" in line or line.lstrip().startswith("-")


def fingerprint(value: str) -> str:
    """A secret as it may stand in the facts of a build."""
    # A word first: what stands before the space is shown when the value has changed.
    return "set " + hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()
