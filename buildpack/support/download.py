"""Fetches a URL to a file, checked against its sha256, with retries and time limits."""

from __future__ import annotations

import functools
import hashlib
import http.client
import os
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from buildpack.support.urls import ChecksumError, DownloadError, same_origin

if TYPE_CHECKING:
    from buildpack.support.peers import Peers

T = TypeVar("T")

CHUNK = 1 << 20
CONNECT_TIMEOUT = 15.0
ATTEMPTS = 3
PAUSE = 0.3
MAX_DOCUMENT = 256 * 1024 * 1024  # held in memory; the largest index page has some 20 MB
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


def fetch(url: str, *, accept: str = "*/*", timeout: float = CONNECT_TIMEOUT) -> tuple[bytes, str]:
    """The body of a small document and the URL it finally came from."""

    def attempt() -> tuple[bytes, str]:
        with _open(url, accept, timeout) as response:
            body = response.read(MAX_DOCUMENT + 1)
            if len(body) > MAX_DOCUMENT:
                raise DownloadError(url, f"it is larger than {MAX_DOCUMENT >> 20} MiB", 1)
            return body, response.url

    return _retrying(url, attempt)


def download(url: str, target: Path, *, sha256: str, timeout: float = 60.0) -> None:
    """Write the file at ``url`` to ``target``, whole and checked, or not at all."""

    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"

    def attempt() -> None:
        found = _save(url, temporary, timeout)
        if found != sha256:
            raise ChecksumError(url, sha256, found)
        # Not flushed to the disk first: what is fetched can be fetched again.
        temporary.replace(target)

    try:
        _retrying(url, attempt)
    finally:
        temporary.unlink(missing_ok=True)


def save(
    url: str,
    target: Path,
    *,
    on_progress: Callable[[int], None],
    timeout: float = 60.0,
    peers: Peers | None = None,
) -> None:
    """Write what lies at ``url``, whose digest nobody knows, to ``target``.

    ``on_progress`` is told how many bytes have come, whenever some have, and may raise to end it.
    ``peers`` are who may be connected to, at each redirect; all of the world without them.
    """

    def attempt() -> None:
        on_progress(0)
        _save(url, target, timeout, on_progress, peers)

    _retrying(url, attempt)


def final_url(url: str, *, peers: Peers, timeout: float = CONNECT_TIMEOUT) -> str:
    """Where the redirects of ``url`` end, whatever is there."""

    def attempt() -> str:
        try:
            with _open(url, "*/*", timeout, peers) as response:
                return str(response.url)
        except urllib.error.HTTPError as err:
            if err.code in RETRIED_STATUSES:
                raise
            err.close()
            return str(err.url)

    return _retrying(url, attempt)


def _save(
    url: str,
    target: Path,
    timeout: float,
    on_progress: Callable[[int], None] | None = None,
    peers: Peers | None = None,
) -> str:
    digest = hashlib.sha256()
    with _open(url, "*/*", timeout, peers) as response, target.open("wb") as file:
        expected = response.headers.get("Content-Length")
        # Who looks on wants to be asked however slowly a chunk fills.
        read = response.read if on_progress is None else response.read1
        received = 0
        while chunk := read(CHUNK):
            digest.update(chunk)
            received += file.write(chunk)
            if on_progress is not None:
                on_progress(received)
    if expected is not None and received != int(expected):
        # A cut connection is not a forged file: say so, and try again.
        raise http.client.IncompleteRead(b"", int(expected) - received)
    return digest.hexdigest()


def _open(
    url: str, accept: str, timeout: float, peers: Peers | None = None
) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"https", "http", "file"}:
        raise urllib.error.URLError(f"unsupported URL scheme '{parts.scheme}'")
    headers = {"Accept": accept, "User-Agent": "slugkit", **_authorization(parts)}
    host = parts.netloc.rpartition("@")[2]
    bare = urllib.parse.urlunsplit(parts._replace(netloc=host))
    request = urllib.request.Request(bare, headers=headers)  # noqa: S310 - schemes checked above
    opener = urllib.request.build_opener(_Redirects, *_handlers(peers))
    response: http.client.HTTPResponse = opener.open(request, timeout=timeout)
    return response


_ONE_AT_A_TIME = threading.Lock()


def _handlers(peers: Peers | None) -> tuple[urllib.request.BaseHandler, ...]:
    """With certificates that were read once: that takes longer than asking for a page."""
    with _ONE_AT_A_TIME:
        context = _trusted()
    if peers is None:
        return (urllib.request.HTTPSHandler(context=context),)
    from buildpack.support.judged_http import judged_handlers

    return judged_handlers(peers, context)


@functools.cache
def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows, but takes the password to no other server (urllib would), and TLS for no less."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme != "https":
            fp.close()
            raise DownloadError(req.full_url, "it leads to an address without TLS", 1)
        if urllib.parse.urlsplit(newurl).scheme not in {"https", "http"}:
            # urllib would speak FTP, past whoever judges addresses.
            fp.close()
            raise DownloadError(req.full_url, "it leads to an address that is no web page", 1)
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None and not same_origin(req.full_url, newurl):
            followed.remove_header("Authorization")
        return followed


def _authorization(parts: urllib.parse.SplitResult) -> Mapping[str, str]:
    if parts.username is None:
        return {}
    import base64

    user, password = (urllib.parse.unquote(x or "") for x in (parts.username, parts.password))
    token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}


def _retrying(url: str, attempt: Callable[[], T]) -> T:
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except urllib.error.HTTPError as err:
            err.close()
            if err.code not in RETRIED_STATUSES or number == ATTEMPTS:
                raise DownloadError(url, f"HTTP status {err.code}", number) from err
        except (OSError, http.client.HTTPException) as err:
            if _is_local(err) or number == ATTEMPTS:
                raise DownloadError(url, _reason(err), number) from err
        time.sleep(PAUSE * 2**number)
    raise AssertionError("the last attempt returns or raises")


def _is_local(err: BaseException) -> bool:
    """Trying again cannot help: a local file is missing, or a certificate is not trusted."""
    import ssl

    reason = getattr(err, "reason", err)
    return isinstance(reason, FileNotFoundError | ssl.SSLCertVerificationError)


def _reason(err: BaseException) -> str:
    reason = getattr(err, "reason", None) or err
    if isinstance(err, http.client.IncompleteRead):
        return "the download was cut short"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
