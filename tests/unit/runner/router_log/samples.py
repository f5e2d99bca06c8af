"""Lines as Caddy 2.6.2 wrote them, and containers that are where a test says."""

from __future__ import annotations

import json

from runner.router_log.codes import Code
from runner.router_log.rules import SEPARATOR

UPSTREAM = "127.0.0.1:41001"
REQUEST_ID = "83c9720e-6d71-41df-9f7d-09f284fd8893"

ACCESS = (
    '{"level":"info","ts":1795346049.9319353,"logger":"http.log.access","msg":"handled request",'
    '"request":{"remote_ip":"127.0.0.1","remote_port":"42938","proto":"HTTP/1.1","method":"GET",'
    '"host":"127.0.0.1:5000","uri":"/echo?a=b\\"c"},"user_id":"203.0.113.9|127.0.0.1:41001|0.215742|'
    '17.648341|19.15757|83c9720e-6d71-41df-9f7d-09f284fd8893|","duration":0.019282652,"size":13,'
    '"status":200}'
)


def access(  # the parts of a line
    *,
    upstream: str = UPSTREAM,
    latency: str = "1.5",
    duration: str = "2.5",
    proxied: str = "4",
    error: str = "",
    status: int = 200,
    size: int = 13,
    uri: str = "/",
    host: str = "localhost:5000",
    method: str = "GET",
    request_id: str = REQUEST_ID,
) -> str:
    """The line of a request."""
    noted = ("127.0.0.1", upstream, latency, duration, proxied, request_id, error)
    return json.dumps(
        {
            "level": "info",
            "logger": "http.log.access",
            "msg": "handled request",
            "request": {"method": method, "host": host, "uri": uri, "remote_ip": "127.0.0.1"},
            "user_id": SEPARATOR.join(noted),
            "size": size,
            "status": status,
        }
    )


def failed(error: str, **parts: str) -> str:
    """The line of a request that was not answered."""
    unanswered = {"latency": "", "duration": "", "error": error, **parts}
    return access(status=503, **unanswered)  # type: ignore[arg-type]  # the texts of ``access``


def aborting(error: str) -> str:
    """What comes before the line of a request whose answer broke off."""
    return json.dumps(
        {
            "level": "error",
            "logger": "http.handlers.reverse_proxy",
            "msg": "aborting with incomplete response",
            "error": error,
        }
    )


class FakeStanding:
    """One container, and why there is none."""

    def __init__(self, why: Code = Code.H14) -> None:
        self.why = why

    def name_of(self, upstream: str) -> str:
        return "web.1" if upstream == UPSTREAM else ""

    def why_nobody(self) -> Code:
        return self.why
