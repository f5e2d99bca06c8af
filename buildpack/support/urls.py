"""What is said about URLs and downloads, without the libraries that fetch them (20 ms)."""

from __future__ import annotations

import re
import urllib.parse

from buildpack.support.errors import ExitCode, SlugkitError


class DownloadError(SlugkitError):
    """A URL could not be fetched after every attempt."""

    exit_code = ExitCode.TRY_AGAIN
    id = "download::failed"

    def __init__(self, url: str, reason: str, attempts: int) -> None:
        self.url, self.reason, self.attempts = without_password(url), reason, attempts
        tried = f"{attempts} attempt" + ("s" if attempts != 1 else "")
        super().__init__(
            f"Could not download {self.url}",
            details=f"{reason} ({tried}).",
            resolution="Check the network connection and any proxy settings, then try again.",
        )


class ChecksumError(SlugkitError):
    """What arrived is not what was pinned. Never retried, never used."""

    exit_code = ExitCode.CHECKSUM
    id = "download::checksum"

    def __init__(self, source: str, expected: str, found: str) -> None:
        self.source, self.expected, self.found = without_password(source), expected, found
        super().__init__(
            f"The checksum of {self.source} is wrong",
            details=f"expected sha256 {expected}\nfound sha256    {found}",
            resolution="Somebody changed this file, or a proxy did. It was not used.",
        )


def without_password(url: str) -> str:
    """``url`` as it may stand in a log."""
    parts = urllib.parse.urlsplit(url)
    if parts.username is None and parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit(parts._replace(netloc=f"***@{host}"))


USER_INFO = re.compile(
    r"(?<=://)(?!(?:USER:PASSWORD|(?:\$\{[A-Z0-9_]+\}:?){1,2})@)"
    r"(?:[^\s/?#'\"<>:]*:[^\s/?#'\"<>]*|[^\s/?#'\"<>:]{8,})@"
)
"""A password, or a token that stands alone; a shorter word is somebody's name, such as git.

Not the places for them that a message shows, or that name config vars.
"""


def without_passwords(text: str) -> str:
    """``text`` as it may stand in a log: it may quote a file or a program."""
    return USER_INFO.sub("***@", text)


def same_origin(one: str, other: str) -> bool:
    """Whether who is trusted with a password for ``one`` is the one who gets ``other``."""
    first, second = urllib.parse.urlsplit(one), urllib.parse.urlsplit(other)
    return (first.scheme, first.netloc.rpartition("@")[2]) == (
        second.scheme,
        second.netloc.rpartition("@")[2],
    )
