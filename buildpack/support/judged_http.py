"""HTTP whose every connection is judged by its address, those of redirects too."""

from __future__ import annotations

import http.client
import ssl
import urllib.parse
import urllib.request
from typing import Any

from buildpack.support.peers import Peers

_PORTS = {"http": 80, "https": 443}


def judged_handlers(
    peers: Peers, context: ssl.SSLContext
) -> tuple[urllib.request.BaseHandler, ...]:
    """urllib's two, that connect to whom ``peers`` allow."""
    return _Plain(peers), _Secure(peers, context)


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, peers: Peers) -> None:
        super().__init__()
        self._peers = peers

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        judge = _Judge(self._peers, req)

        def made(host: str, **options: Any) -> http.client.HTTPConnection:
            return judge.judging(http.client.HTTPConnection(host, **options))

        return self.do_open(made, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, peers: Peers, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._peers, self._trusted = peers, context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        judge = _Judge(self._peers, req)

        def made(host: str, **options: Any) -> http.client.HTTPConnection:
            connection = http.client.HTTPSConnection(host, context=self._trusted, **options)
            return judge.judging(connection)

        return self.do_open(made, req)


class _Judge:
    """Sees to it that one request's connection leads where it may."""

    def __init__(self, peers: Peers, request: urllib.request.Request) -> None:
        self._peers, self._url = peers, request.full_url
        parts = urllib.parse.urlsplit(request.full_url)
        # As who connects reads it: 127.0.0.%31 is 127.0.0.1 to urllib, and to proxies.
        self._host = urllib.parse.unquote(parts.hostname or "")
        self._port = parts.port or _PORTS[parts.scheme]
        # A proxy is the user's word, and connects by itself: what it is asked for is judged as far
        # as this machine knows the name.
        self._by_proxy = _goes_to_proxy(request)

    def judging(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        if self._by_proxy:
            self._judge_name()
            return connection
        # The one seam http.client has for it, there since Python 3.5.
        connection._create_connection = self._connect  # type: ignore[attr-defined]  # as said
        return connection

    def _judge_name(self) -> None:
        try:
            self._peers.addresses(self._url, self._host, self._port)
        except OSError:
            return  # known to the proxy alone

    def _connect(
        self, place: tuple[str, int], timeout: float, source: tuple[str, int] | None = None
    ) -> Any:
        return self._peers.connect(self._url, place, timeout, source)


def _goes_to_proxy(request: urllib.request.Request) -> bool:
    """Whether urllib has been told of a proxy for it; not by how the URL is written."""
    has_tunnel = bool(getattr(request, "_tunnel_host", None))  # for https, since Python 3.2
    return has_tunnel or request.has_proxy()
