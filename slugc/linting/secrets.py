"""What looks like a secret in the files of a source: each would travel with the slug."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from buildpack.support.urls import USER_INFO
from slugc.linting.finding import Finding, Severity
from slugc.linting.tree import TreeEntry
from slugc.small_file import SmallFileError, read_small_file
from slugc.sources.secret_names import looks_secret

LARGEST = 1024 * 1024
"""Bytes of a file that is looked into: people write no larger ones."""

_KINDS: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        ("a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
        ("an access key of AWS", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a token of GitHub", r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{60,}\b"),
        ("a token of GitLab", r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
        ("a token of PyPI", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
        ("a token of Slack", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("a live key of Stripe", r"\b[rs]k_live_[0-9A-Za-z]{20,}\b"),
        ("a key of Google's APIs", r"\bAIza[0-9A-Za-z_-]{35}\b"),
    )
)
_DJANGO = re.compile(r"""SECRET_KEY\s*=\s*["']django-insecure-""")
# What stands in a URL where nobody meant a real password.
_EXAMPLES = re.compile(
    r":(?:pass(?:word|wd)?|secret|user|postgres|root|admin|test|x+|\*+|\.+|)@|[${<%\[(]", re.I
)


def lint_secrets(top: Path, entries: Sequence[TreeEntry]) -> Iterator[Finding]:
    """Files that are called as secrets are, and texts that look like one; never the text itself."""
    for entry in entries:
        if entry.is_left_out:
            continue
        if looks_secret(Path(entry.path).name):
            text = "it may be secret, and the slug will hold it; name it in .slugignore"
            yield Finding(severity=Severity.WARNING, id="secret-file", text=text, file=entry.path)
        elif entry.is_file and entry.status.st_size <= LARGEST:
            yield from _in_file(top, entry.path)


def _in_file(top: Path, path: str) -> Iterator[Finding]:
    try:
        content = read_small_file(top, path, limit=LARGEST) or b""
    except SmallFileError:
        return  # a build says what is wrong with it
    if b"\0" in content[:8192]:
        return
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        for what, start in _secrets_in(line):
            yield Finding(
                severity=Severity.WARNING,
                id="secret",
                text=f"this looks like {what}; give secrets as config vars",
                file=path,
                line=number,
                column=start + 1,
            )


def _secrets_in(line: str) -> Iterator[tuple[str, int]]:
    for what, pattern in _KINDS:
        if found := pattern.search(line):
            yield what, found.start()
    if found := _DJANGO.search(line):
        yield "the key that Django makes for development", found.start()
    if (found := USER_INFO.search(line)) and not _EXAMPLES.search(f":{found[0]}"):
        yield "a password in a URL", found.start()
