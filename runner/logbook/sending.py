"""Sends lines to a drain: syslog (RFC 5424, framed by RFC 6587) or HTTPS in Logplex's form."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import ssl
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import unquote, urlsplit

from runner.logbook.drains import Drain
from runner.logbook.reader import Line

PATIENCE = 10.0  # seconds for each step of a connection

# Facility and severity (RFC 5424, 6.2.1): local7.info and local3.info, as Heroku sends them.
_PRIORITY = {"app": 23 * 8 + 6, "slug-run": 19 * 8 + 6}


class RefusedError(OSError):
    """The receiver answered, and did not take the lines."""


class Sender(Protocol):
    """A connection to a drain."""

    def send(self, lines: Sequence[Line]) -> None:
        """Raises OSError, after which the same lines are sent again with another sender."""

    def close(self) -> None: ...


def syslog_message(line: Line, host: str, *, structured: bool) -> bytes:
    """One line as RFC 5424 has it, with its length before it (RFC 6587, 3.4.1).

    Logplex's form leaves the structured data out.
    """
    head = f"<{_PRIORITY.get(line.source, 14)}>1 {line.time} {host} {line.source} {line.name[:128]}"
    data = " - -" if structured else " -"
    message = f"{head}{data} {line.text}".encode("utf-8", "replace")
    return b"%d %s" % (len(message), message)


def open_sender(drain: Drain) -> Sender:
    """A fresh connection. Raises OSError."""
    return HttpsSender(drain) if drain.scheme == "https" else SyslogSender(drain)


class SyslogSender:
    """A connection that only goes one way: what is in the kernel's hands counts as sent."""

    def __init__(self, drain: Drain) -> None:
        self._host = drain.token
        self._socket = socket.create_connection(drain.address, timeout=PATIENCE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if drain.scheme == "syslog+tls":
            context = ssl.create_default_context()
            try:
                self._socket = context.wrap_socket(self._socket, server_hostname=drain.address[0])
            except OSError:
                self._socket.close()
                raise

    def send(self, lines: Sequence[Line]) -> None:
        self._require_open()
        messages = [syslog_message(line, self._host, structured=True) for line in lines]
        self._socket.sendall(b"".join(messages))

    def close(self) -> None:
        self._socket.close()

    def _require_open(self) -> None:
        """A receiver that has gone away is noticed before the lines are given to the kernel."""
        self._socket.settimeout(0)
        try:
            if self._socket.recv(4096) == b"":
                raise RefusedError("the receiver closed the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        finally:
            self._socket.settimeout(PATIENCE)


class HttpsSender:
    """Posts each group of lines; an answer of 2xx says they were taken."""

    def __init__(self, drain: Drain) -> None:
        parts = urlsplit(drain.url)
        self._drain = drain
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._login = ""
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._login = base64.b64encode(login.encode()).decode()
        host, port = drain.address
        context = ssl.create_default_context()
        self._connection = http.client.HTTPSConnection(
            host, port, timeout=PATIENCE, context=context
        )

    def send(self, lines: Sequence[Line]) -> None:
        body = b"".join(syslog_message(line, "host", structured=False) for line in lines)
        headers = {
            "Content-Type": "application/logplex-1",
            "Logplex-Msg-Count": str(len(lines)),
            # The same when the same lines are sent again, so that a receiver can tell.
            "Logplex-Frame-Id": hashlib.sha256(body).hexdigest()[:32].upper(),
            "Logplex-Drain-Token": self._drain.token,
            "User-Agent": "slug-run",
        }
        if self._login:
            headers["Authorization"] = f"Basic {self._login}"
        try:
            self._connection.request("POST", self._target, body, headers)
            answer = self._connection.getresponse()
            answer.read(1 << 16)
        except http.client.HTTPException as err:
            raise RefusedError(f"no HTTP answer ({type(err).__name__})") from err
        if not 200 <= answer.status < 300:
            raise RefusedError(f"HTTP status {answer.status}")

    def close(self) -> None:
        self._connection.close()
