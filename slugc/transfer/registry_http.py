"""HTTP to one registry: TLS, proxies, logins, redirects, and errors that say what happened.

urllib3 carries the bytes: it is there with the Docker SDK, streams both ways, and leaves redirects
and logins to us, who must not take a password to another server.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin, urlsplit

from buildpack.support.command import Runner, capture
from buildpack.support.values import value
from buildpack.version import __version__
from slugc.transfer.registry_errors import (
    RegistryDeniedError,
    RegistryTlsError,
    RegistryUnreachableError,
    error_for,
)
from slugc.transfer.registry_login import Login, find_login
from slugc.transfer.streams import Chunks

if TYPE_CHECKING:
    import urllib3

CONNECT_TIMEOUT, READ_TIMEOUT = 15.0, 120.0
_MAX_REDIRECTS = 5
_MAX_ANSWER = 8 * 1024 * 1024
_CHUNK = 1024 * 1024
_FIELD = re.compile(r'([A-Za-z]+)="([^"]*)"')


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


class RegistryHttp:
    """One registry, one repository, what we may do there."""

    def __init__(
        self, base: str, scope: str, env: Mapping[str, str], *, send: Send, run: Runner = capture
    ) -> None:
        self.base = base
        self.host = urlsplit(base).netloc
        self._scope = scope
        self._env = env
        self._send = send
        self._run = run
        self._authorization: str | None = None
        self._login: Login | None = None

    def call(  # noqa: PLR0913  # all but the first three may be left out
        self,
        method: str,
        url: str,
        *,
        what: str,
        fine: frozenset[int] = frozenset({200}),
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        streamed: bool = False,
    ) -> Answer:
        """One request, with a login if one is asked for. ``what`` says it in an error.

        Statuses that are not ``fine`` are errors. Only reading follows redirects.
        """
        url = urljoin(self.base, url)
        answer = self._send(method, url, self._headers(url, headers), body, streamed)
        if answer.status == 401 and self._authorize(answer.headers.get("www-authenticate", "")):
            answer = self._send(method, url, self._headers(url, headers), body, streamed)
        for _ in range(_MAX_REDIRECTS):
            if method not in {"GET", "HEAD"} or answer.status not in {301, 302, 303, 307, 308}:
                break
            url = self._next_url(url, answer.headers.get("location", ""))
            answer = self._send(method, url, self._headers(url, headers), None, streamed)
        if answer.status not in fine:
            body_text = answer.body or b"".join(_up_to(answer.stream(), _MAX_ANSWER))
            raise error_for(
                self.host, what, answer.status, body_text, has_login=self._login is not None
            )
        return answer

    def _headers(self, url: str, extra: Mapping[str, str] | None) -> dict[str, str]:
        headers = {"User-Agent": f"slugkit/{__version__}", **(extra or {})}
        if self._authorization and _origin(url) == _origin(self.base):
            headers["Authorization"] = self._authorization
        return headers

    def _next_url(self, url: str, location: str) -> str:
        found = urljoin(url, location)
        if urlsplit(url).scheme == "https" and urlsplit(found).scheme != "https":
            raise RegistryTlsError(
                self.host, f"It sends us to {urlsplit(found).netloc} without TLS."
            )
        return found

    def _authorize(self, challenge: str) -> bool:
        """Get what ``WWW-Authenticate`` asks for; False when there is nothing to try."""
        self._login = find_login(self.host, self._env, self._run)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            if self._login is None or not self._login.name:
                return False
            self._authorization = self._login.basic()
            return True
        if scheme.lower() != "bearer":
            return False
        self._authorization = f"Bearer {self._token(dict(_FIELD.findall(rest)))}"
        return True

    def _token(self, fields: Mapping[str, str]) -> str:
        """A token for our repository (https://distribution.github.io/distribution/spec/auth/)."""
        realm = fields.get("realm", "")
        if urlsplit(realm).scheme not in {"https", urlsplit(self.base).scheme}:
            raise RegistryTlsError(self.host, "It wants a login to be sent without TLS.")
        query = {"service": fields.get("service", ""), "scope": fields.get("scope") or self._scope}
        headers = {"User-Agent": f"slugkit/{__version__}"}
        login = self._login
        if login is not None and login.identity_token:
            form = {"grant_type": "refresh_token", "client_id": "slugkit", **query}
            content = urlencode({**form, "refresh_token": login.identity_token}).encode()
            kind = "application/x-www-form-urlencoded"
            sent = Body(size=len(content), read=lambda: iter((content,)), media_type=kind)
            answer = self._send("POST", realm, headers, sent, False)
        else:
            if login is not None and login.name:
                headers["Authorization"] = login.basic()
                query["account"] = login.name
            joint = "&" if "?" in realm else "?"
            answer = self._send("GET", f"{realm}{joint}{urlencode(query)}", headers, None, False)
        return self._token_in(answer)

    def _token_in(self, answer: Answer) -> str:
        what = "Getting a token"
        if answer.status != 200:
            has_login = self._login is not None
            raise error_for(self.host, what, answer.status, answer.body, has_login=has_login)
        try:
            document = json.loads(answer.body)
            token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise RegistryDeniedError(
                self.host,
                what,
                status=200,
                has_login=self._login is not None,
                found="It gave none.",
            )
        return token


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
            content = b"".join(_up_to(response.stream(_CHUNK), _MAX_ANSWER))
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
    if isinstance(err, urllib3.exceptions.TimeoutError) or isinstance(cause, TimeoutError):
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


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _up_to(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:limit]
        limit -= len(chunk)
        if limit <= 0:
            return
