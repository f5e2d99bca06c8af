"""How git gets to a repository: with all the user has, or as a stranger, pinned to an address."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from buildpack.support.command import Command, capture
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from slugc.sources.git.here import host_of
from slugc.sources.git.urls import WEB, shown_url
from slugc.sources.trusted import NotTrustedError, Trusted, host_and_port, port_of

_OLDEST = (2, 37)
"""The first git with http.curloptResolve."""

_PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")  # as curl has it
_STRANGERS = (
    *("PATH", "TMPDIR", *_PROXIES, "no_proxy", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
)
"""All that a fetch without the user's rights sees of their environment: which way to take to the
outside, and whose certificates to believe. No agent, no home, no setting of git."""
_KEPT_SETTINGS = ("http.proxy", "http.sslcainfo", "http.sslcapath")
_NOBODY = {
    "HOME": "/nonexistent",  # .netrc, .ssh, .git-credentials
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ASKPASS": "",
}


class GitTooOldError(SlugkitError):
    """A git that connects to whatever a name leads to the next time it is asked."""

    exit_code = ExitCode.UNAVAILABLE
    id = "git-too-old"

    def __init__(self, version: str, place: str) -> None:
        self.version, self.place = version, place
        super().__init__(
            "This git is too old to fetch what a source names",
            details=f"{version}; 2.37 was the first that can be told which address to connect to.",
            resolution=f"Install a newer git, or say that you trust the server:\n\n"
            f"    slugc build --trust {place}",
        )


@value
class Way:
    """What git is given for one repository."""

    url: str
    env: Mapping[str, str]
    settings: tuple[tuple[str, str], ...] = ()


def way_to(
    url: str,
    trusted: Trusted,
    env: Mapping[str, str],
    url_settings: Callable[[str], Mapping[str, str]],
) -> Way:
    """How to fetch ``url``, which holds no password. Raises where nobody may go there."""
    if trusted.names(url):
        if not trusted.names_port(url) and urlsplit(url).scheme in {*WEB, "git"}:
            with contextlib.suppress(OSError):  # git says so better
                _addresses(url, trusted)  # on this machine, another port is another server
        return Way(url=url, env=env)
    scheme = urlsplit(url).scheme if "://" in url else "ssh"
    if scheme not in WEB and scheme != "git":
        found = "Over ssh it would be read with your keys, which are for servers that you name."
        raise NotTrustedError(shown_url(url), found, host_and_port(url))
    stranger = {**{name: env[name] for name in _STRANGERS if name in env}, **_NOBODY}
    if scheme == "git":
        return Way(url=_by_address(url, _addresses(url, trusted)[0]), env=stranger)
    of_user = url_settings(url)
    kept = [(key, of_user[key]) for key in _KEPT_SETTINGS if of_user.get(key)]
    pinned = _pinned(url, trusted, has_proxy=_has_proxy(url, stranger, of_user), env=stranger)
    return Way(url=url, env=stranger, settings=(("credential.helper", ""), *kept, *pinned))


def _pinned(
    url: str, trusted: Trusted, *, has_proxy: bool, env: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """The setting that lets git connect to the addresses that were judged, and to no others."""
    try:
        found = _addresses(url, trusted)
    except OSError as err:
        if has_proxy:
            return ()  # the proxy is who connects, and may know more names than this machine
        from slugc.sources.git.program import FetchError

        raise FetchError(shown_url(url), f"{host_of(url)}: {err.strerror or err}") from err
    host = urlsplit(url).hostname or ""  # as curl will look for it: with a dot at its end
    if host in found:
        return ()
    version = capture(Command(argv=("git", "version"), cwd=Path("/"), env=env, timeout=10)).strip()
    number = re.search(r"(\d+)\.(\d+)", version)
    if number is None or (int(number[1]), int(number[2])) < _OLDEST:
        raise GitTooOldError(version, host_and_port(url))
    shown = ",".join(f"[{text}]" if ":" in text else text for text in found)
    return (("http.curloptResolve", f"{host}:{port_of(url)}:{shown}"),)


def _addresses(url: str, trusted: Trusted) -> tuple[str, ...]:
    return tuple(trusted.peers.addresses(shown_url(url), host_of(url), port_of(url)))


def _by_address(url: str, address: str) -> str:
    parts = urlsplit(url)
    shown = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=shown + port))


def _has_proxy(url: str, env: Mapping[str, str], of_user: Mapping[str, str]) -> bool:
    host = host_of(url)
    past = (word.strip() for word in env.get("no_proxy", env.get("NO_PROXY", "")).split(","))
    if any(word == "*" or f".{host}".endswith(f".{word.lstrip('.')}") for word in past if word):
        return False
    usual = _PROXIES[:1] if urlsplit(url).scheme == "http" else _PROXIES[1:3]
    named = (env.get(name) for name in (*usual, *_PROXIES[3:]))
    return bool(of_user.get("http.proxy")) or any(named)
