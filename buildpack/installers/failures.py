"""Reads uv's output after a failure: which of our errors does it stand for?

uv writes for people, so this is a table of patterns, each with the output it was made from in
tests/unit/buildpack/test_install_failures.py. What matches nothing is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from buildpack.installers.errors import (
    HashMismatchError,
    IndexAccessError,
    IndexUnreachableError,
    InstallFailedError,
    NoMatchingDistributionError,
    VersionConflictError,
)
from buildpack.support.errors import SlugkitError

HASH = re.compile(
    r"Hash mismatch for `(?P<what>[^`]+)` Expected: (?P<expected>.*?) Computed: (?P<got>\S+)"
)
ACCESS = re.compile(
    r"An index(?: URL)? \((?P<url>[^)]+)\) (?:could not be queried due to a lack of valid"
    r"|returned a (?P<status>40[13]))"
)
UNKNOWN_NAME = re.compile(r"Because (?P<package>\S+) was not found in the package registry")
UNKNOWN_VERSION = re.compile(r"there (?:is|are) no versions? of (?P<package>[^\s=<>!~,]+)")
NO_WHEEL = re.compile(r"(?P<package>[^\s=<>!~]+)\S* has no (?:usable )?wheels")

NETWORK: Mapping[str, str] = {
    r"certificate|UnknownIssuer|invalid peer": "its TLS certificate is not trusted",
    r"dns error|failed to lookup address": "its name cannot be resolved (DNS)",
    r"Connection refused": "the connection was refused",
    r"timed out|operation timed out|timeout": "it did not answer in time",
    r"HTTP status server error": "it answered with a server error",
    r"Missing `Content-Type`|Unsupported `Content-Type`": "what answered is not a package index",
    r"Network is unreachable|No route to host": "there is no network",
    r"client error \(Connect\)|tcp connect error|[Cc]onnection (reset|closed)": (
        "the connection failed"
    ),
}
"""A sign in the output, and what it means; the first match wins."""

REQUEST_FAILED = re.compile(
    r"Failed to fetch|Request failed|error sending request|`Content-Type` header"
)
URL = re.compile(r"https?://[^\s`)]+")


def classify_failure(lines: Sequence[str], index: str, code: int) -> SlugkitError:
    """The error that uv's output stands for."""
    text = " ".join(" ".join(lines).split())
    readers: tuple[Callable[[str, str], SlugkitError | None], ...] = (
        _hash_mismatch,
        _access,
        _network,
        _unknown_package,
    )
    for reader in readers:
        error = reader(text, index)
        if error:
            return error
    if "No solution found" in text:
        return VersionConflictError(explanation(text))
    return InstallFailedError(lines[-20:], code)


def _hash_mismatch(text: str, index: str) -> SlugkitError | None:
    match = HASH.search(text)
    return match and HashMismatchError(match["what"], match["expected"].split(), match["got"])


def _access(text: str, index: str) -> SlugkitError | None:
    match = ACCESS.search(text)
    return match and IndexAccessError(match["url"], match["status"] or "401")


def _network(text: str, index: str) -> SlugkitError | None:
    if not REQUEST_FAILED.search(text):
        return None
    reason = next((r for sign, r in NETWORK.items() if re.search(sign, text)), None)
    if reason is None:
        return None
    url = URL.search(text)
    return IndexUnreachableError(url[0].rstrip(":,.") if url else index, reason)


def _unknown_package(text: str, index: str) -> SlugkitError | None:
    for pattern in (UNKNOWN_NAME, UNKNOWN_VERSION, NO_WHEEL):
        match = pattern.search(text)
        if match:
            return NoMatchingDistributionError(match["package"], explanation(text))
    return None


def explanation(text: str) -> str:
    """uv's own reasoning, without its headline and hints."""
    return text.rpartition(" cause: ")[2].split(" hint:")[0].strip()
