"""The one door to registries' network: urllib3, which is there with the Docker SDK.

It streams both ways, and leaves redirects and logins to us, who must not take a password to
another server. A test passes a ``Send`` of its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from buildpack.support.values import value
from slugc.transfer.registry_errors import RegistryTlsError, RegistryUnreachableError
from slugc.transfer.streams import Chunks

if TYPE_CHECKING:
    import urllib3

CONNECT_TIMEOUT, READ_TIMEOUT = 15.0, 120.0
MAX_ANSWER = 8 * 1024 * 1024
_CHUNK = 1024 * 1024


@value
class Answer:
    """What came back. ``body`` is read already; ``stream`` reads it piece by piece instead."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    stream: Callable[[], Iterator[bytes]]


@value
class Body:
    """What is sent: a stream that can be sent again when a login is asked for."""

    size: int
    read: Chunks
    media_type: str = "application/octet-stream"


Send = Callable[[str, str, Mapping[str, str], Body | None, bool], Answer]
"""Sends one request: method, URL, headers, body, and whether the answer is to be streamed."""


def open_http(env: Mapping[str, str]) -> Send:
    """The real door to the network."""

    context = ssl.create_default_context()
    if file := env.get("SSL_CERT_FILE"):
        context.load_verify_locations(file)
    pools: dict[str, urllib3.PoolManager] = {}

    def send(
        method: str, url: str, headers: Mapping[str, str], body: Body | None, streamed: bool
    ) -> Answer:
        proxy = proxy_for(url, env)
        if proxy not in pools:
            pools[proxy] = _pool(proxy, context)
        return _send(pools[proxy], method, url, headers, body, streamed=streamed)

    return send


def _pool(proxy: str, context: ssl.SSLContext) -> urllib3.PoolManager:
    import urllib3

    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
    if proxy:
        return urllib3.ProxyManager(proxy, ssl_context=context, timeout=timeout)
    return urllib3.PoolManager(ssl_context=context, timeout=timeout)


def _send(
    pool: urllib3.PoolManager,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Body | None,
    *,
    streamed: bool,
) -> Answer:
    import urllib3

    sent = dict(headers)
    if body is not None:
        sent |= {"Content-Length": str(body.size), "Content-Type": body.media_type}
    elif method in {"POST", "PUT", "PATCH"}:
        sent["Content-Length"] = "0"
    try:
        response = pool.request(
            method,
            url,
            headers=sent,
            body=None if body is None else body.read(),
            preload_content=False,
            redirect=False,
            retries=False,
        )
        found = {name.lower(): text for name, text in response.headers.items()}
        content = b""
        if not streamed or response.status >= 300:
            content = b"".join(up_to(response.stream(_CHUNK), MAX_ANSWER))
            response.release_conn()
    except urllib3.exceptions.HTTPError as err:
        raise _unreachable(url, err) from err
    return Answer(
        status=response.status,
        headers=found,
        body=content,
        stream=lambda: _streamed(response, url),
    )


def _streamed(response: urllib3.BaseHTTPResponse, url: str) -> Iterator[bytes]:
    import urllib3

    try:
        yield from response.stream(_CHUNK)
    except urllib3.exceptions.HTTPError as err:
        raise _unreachable(url, err) from err
    finally:
        response.release_conn()


def _unreachable(url: str, err: Exception) -> RegistryTlsError | RegistryUnreachableError:
    """What urllib3 says, without the names of its classes."""
    import urllib3

    host = urlsplit(url).netloc
    cause: BaseException = err
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(err, urllib3.exceptions.SSLError) or isinstance(cause, ssl.SSLError):
        return RegistryTlsError(host, str(cause))
    # urllib3 counts a refused connection among the timeouts.
    is_late = isinstance(err, urllib3.exceptions.TimeoutError)
    is_refused = isinstance(err, urllib3.exceptions.NewConnectionError)
    if isinstance(cause, TimeoutError) or (is_late and not is_refused):
        return RegistryUnreachableError(host, "It did not answer in time.")
    return RegistryUnreachableError(host, str(getattr(cause, "strerror", None) or cause))


def proxy_for(url: str, env: Mapping[str, str]) -> str:
    """The proxy for ``url``, by the variables everybody uses; empty for none."""
    parts = urlsplit(url)
    proxies = {name.lower(): text for name, text in env.items() if name.lower().endswith("_proxy")}
    host = parts.hostname or ""
    for left_out in filter(None, map(str.strip, proxies.get("no_proxy", "").split(","))):
        name = left_out.partition(":")[0].lstrip(".")
        if left_out == "*" or host == name or host.endswith(f".{name}"):
            return ""
    return proxies.get(f"{parts.scheme}_proxy") or proxies.get("all_proxy", "")


def up_to(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:limit]
        limit -= len(chunk)
        if limit <= 0:
            return
