"""Where a log can be sent: URLs that are taken, refused, and kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.logbook.drains import (
    MOST,
    Drains,
    DrainUrlError,
    NoSuchDrainError,
    TooManyDrainsError,
    require_url,
)
from runner.logbook.reader import Position


@pytest.mark.parametrize(
    "url",
    [
        "syslog+tls://logs.example.com:6514",
        "syslog://10.0.0.1",
        "syslog://[::1]:514",
        "https://user:password@logs.example.com/in?x=1",
    ],
)
def test_urls_a_log_can_be_sent_to(url: str) -> None:
    assert require_url(url) == url


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://logs.example.com", "Without TLS everybody on the way could read it: use https."),
        ("logs.example.com:514", "It begins with none of the known schemes."),
        ("", "It begins with none of the known schemes."),
        ("https://", "It names no host and port that could be reached."),
        ("https://a b", "It names no host and port that could be reached."),
        ("syslog://host:0", "It names no host and port that could be reached."),
        ("syslog://host:99999", "Port out of range 0-65535."),
        ("https://[", "Invalid IPv6 URL."),
        ("syslog://host/path", "A syslog drain is a host and a port, nothing more."),
        ("syslog+tls://me@host", "A syslog drain is a host and a port, nothing more."),
    ],
)
def test_urls_it_cannot_be_sent_to(url: str, found: str) -> None:
    with pytest.raises(DrainUrlError) as caught:
        require_url(url)
    assert caught.value.found == found
    assert caught.value.exit_code is ExitCode.USAGE


def test_the_words_of_a_url_error_hide_a_password() -> None:
    with pytest.raises(DrainUrlError) as caught:
        require_url("http://me:secret@host")
    assert caught.value.text() == (
        "'http://***@host' is not where a log can be sent\n\n"
        "Without TLS everybody on the way could read it: use https.\n\n"
        "One of:\n\n    syslog+tls://HOST:PORT\n    syslog://HOST:PORT          unencrypted\n"
        "    https://HOST/PATH           or USER:PASSWORD@HOST"
    )


def test_drains_are_added_listed_and_removed(tmp_path: Path) -> None:
    drains = Drains(tmp_path / "drains")
    assert drains.all() == ()
    first = drains.add("syslog://host:1", Position(number=3, at=77))
    assert drains.add("syslog://host:1", Position()) == first
    assert drains.all() == (first,)
    assert drains.position(first) == Position(number=3, at=77)
    for path in (tmp_path / "drains").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for number in range(2, MOST + 1):
        drains.add(f"syslog://host:{number}", Position())
    with pytest.raises(TooManyDrainsError) as too_many:
        drains.add("syslog://host:99", Position())
    assert "has 5 drains already" in too_many.value.text()
    assert drains.remove(first.token) == first
    assert drains.remove("syslog://host:2").url == "syslog://host:2"
    assert len(drains.all()) == MOST - 2
    with pytest.raises(NoSuchDrainError) as caught:
        drains.remove("https://a:b@c")
    assert caught.value.text() == (
        "There is no drain 'https://***@c'\n\nslug-run drains lists those there are."
    )
