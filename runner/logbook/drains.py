"""Drains: where else an app's log is sent. Each is a file of the app's ``drains`` directory.

A drain reads the log as `slug-run logs -t` does, and remembers how far it is; so a receiver that
is away for an hour misses nothing the log still has, and an app never waits for one.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from buildpack.support.errors import UsageError, printable
from buildpack.support.urls import without_passwords
from buildpack.support.values import value
from runner.logbook.reader import Position

MOST = 5  # as Heroku has it
SCHEMES = {"syslog+tls": 6514, "syslog": 514, "https": 443}


class DrainUrlError(UsageError):
    """A URL no log can be sent to."""

    id = "drain-url"

    def __init__(self, url: str, found: str) -> None:
        self.url, self.found = url, found
        super().__init__(
            f"'{printable(without_passwords(url))}' is not where a log can be sent",
            details=found,
            resolution="One of:\n\n    syslog+tls://HOST:PORT\n    syslog://HOST:PORT"
            "          unencrypted\n    https://HOST/PATH           or USER:PASSWORD@HOST",
        )


class TooManyDrainsError(UsageError):
    """One more than there may be."""

    id = "too-many-drains"

    def __init__(self) -> None:
        super().__init__(
            f"The app has {MOST} drains already",
            resolution="Remove one: slug-run drains remove TOKEN",
        )


class NoSuchDrainError(UsageError):
    """No drain has that URL or token."""

    id = "no-such-drain"

    def __init__(self, asked: str) -> None:
        self.asked = asked
        super().__init__(
            f"There is no drain '{printable(without_passwords(asked))}'",
            resolution="slug-run drains lists those there are.",
        )


@value
class Drain:
    """A place the log goes to. ``token`` is what it tells the receiver of who is sending."""

    token: str
    url: str

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or SCHEMES[parts.scheme]


def require_url(url: str) -> str:
    """``url``, if a log can be sent there. Raises DrainUrlError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise DrainUrlError(url, f"{err}.") from err
    if parts.scheme == "http":
        raise DrainUrlError(url, "Without TLS everybody on the way could read it: use https.")
    if parts.scheme not in SCHEMES:
        raise DrainUrlError(url, "It begins with none of the known schemes.")
    if not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        raise DrainUrlError(url, "It names no host and port that could be reached.")
    if parts.scheme != "https" and (parts.path.strip("/") or parts.query or parts.username):
        raise DrainUrlError(url, "A syslog drain is a host and a port, nothing more.")
    return url


class Drains:
    """The drains of one app."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def all(self) -> tuple[Drain, ...]:
        """By token."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            with contextlib.suppress(FileNotFoundError):  # removed just now
                found.append(Drain(token=path.stem, url=json.loads(path.read_text())["url"]))
        return tuple(found)

    def add(self, url: str, position: Position) -> Drain:
        """Send what comes after ``position`` to ``url``; the one there is if it has it already."""
        require_url(url)
        existing = [each for each in self.all() if each.url == url]
        if existing:
            return existing[0]
        if len(self.all()) >= MOST:
            raise TooManyDrainsError
        self._directory.mkdir(mode=0o700, exist_ok=True)
        drain = Drain(token=f"d.{os.urandom(16).hex()}", url=url)
        self.remember(drain, position)
        self._put(f"{drain.token}.json", json.dumps({"url": url}))
        return drain

    def remove(self, asked: str) -> Drain:
        """Forget the drain with that URL or token."""
        for drain in self.all():
            if asked in {drain.url, drain.token}:
                for suffix in (".json", ".at"):
                    (self._directory / f"{drain.token}{suffix}").unlink(missing_ok=True)
                return drain
        raise NoSuchDrainError(asked)

    def position(self, drain: Drain) -> Position:
        """How far it was sent."""
        try:
            number, at = (self._directory / f"{drain.token}.at").read_text().split()
            return Position(number=int(number), at=int(at))
        except (FileNotFoundError, ValueError):
            return Position()

    def remember(self, drain: Drain, position: Position) -> None:
        """It was sent up to there."""
        self._put(f"{drain.token}.at", f"{position.number} {position.at}\n")

    def _put(self, name: str, text: str) -> None:
        temporary = self._directory / f"{name}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        temporary.rename(self._directory / name)
