"""HTTP to one registry: TLS, proxies, logins, redirects, and errors that say what happened.

A login goes to the registry that asked for it, and to where that says tokens are made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urljoin, urlsplit

from buildpack.support.command import Runner, capture
from buildpack.version import __version__
from slugc.transfer.http_door import MAX_ANSWER, Answer, Body, Send, up_to
from slugc.transfer.registry_errors import (
    RegistryDeniedError,
    RegistryTlsError,
    error_for,
)
from slugc.transfer.registry_login import Login, find_login

_MAX_REDIRECTS = 5
_FIELD = re.compile(r'([A-Za-z]+)="([^"]*)"')


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
        if answer.status == 401 and self._may_authorize(url, answer):
            answer = self._send(method, url, self._headers(url, headers), body, streamed)
        for _ in range(_MAX_REDIRECTS):
            if method not in {"GET", "HEAD"} or answer.status not in {301, 302, 303, 307, 308}:
                break
            url = self._next_url(url, answer.headers.get("location", ""))
            answer = self._send(method, url, self._headers(url, headers), None, streamed)
        if answer.status not in fine:
            body_text = answer.body or b"".join(up_to(answer.stream(), MAX_ANSWER))
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

    def _may_authorize(self, url: str, answer: Answer) -> bool:
        """Whether we have what is asked for. Layers may be sent elsewhere, where our login has no
        business: who is asked there says where tokens are made."""
        is_ours = _origin(url) == _origin(self.base)
        return is_ours and self._authorize(answer.headers.get("www-authenticate", ""))

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


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
