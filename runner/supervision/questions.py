"""What a container is asked by a health check, and what it answers: here, a path. Never waits."""

from __future__ import annotations

import contextlib
import errno
import re
import select
import socket
from io import BytesIO
from typing import Protocol

from buildpack.support.errors import ExitCode, printable, shown_seconds
from buildpack.support.values import value
from runner.engines.base import Address
from runner.health import Check

LONGEST_ANSWER = 64 * 1024
LONGEST_BODY = 1000  # characters that are shown
_END_OF_HEADERS = re.compile(rb"\n\r?\n")


@value
class Answer:
    """What a container answered; no status where it did not answer."""

    status: int | None = None
    code: int | None = None
    """with which a command ended"""
    body: str = ""
    problem: str = ""
    was_asked: bool = True
    """else nothing is known of the container: its state file could not be read, for one"""

    def objection(self, check: Check) -> str:
        """What of it the check objects to; nothing if it is healthy."""
        if check.command:
            return self._objection_to_command(check)
        if self.status is None:
            return f"did not answer at {check.path}: {self.problem}"
        if not 200 <= self.status < 400:
            return f"answered {self.status} at {check.path}"
        if check.content and check.content not in self.body:
            wanted = printable(check.content, limit=60)
            return f"answered {self.status} at {check.path} without '{wanted}'"
        return ""

    def _objection_to_command(self, check: Check) -> str:
        shown = f"`{printable(check.command, limit=60)}`"
        if self.code == ExitCode.TIME_LIMIT:
            return f"did not end {shown} within {shown_seconds(check.timeout)}"
        if self.code is None:
            return f"could not be asked {shown}: {self.problem}"
        last = last_line(self.body)
        return f"ended {shown} with status {self.code}{last and f': {last}'}" if self.code else ""


def last_line(text: str) -> str:
    """What of a long output is shown."""
    return printable(text.strip().rpartition("\n")[2], limit=200)


class Question(Protocol):
    """Asked once, looked at again and again until there is an answer."""

    def answer(self, now: float) -> Answer | None:
        """None while it is open."""

    def close(self) -> None: ...


class HttpQuestion:
    """One GET, looked at again and again until there is an answer."""

    def __init__(self, address: Address, check: Check, now: float) -> None:
        self._check, self._give_up_at = check, now + check.timeout
        self._received = b""
        headers = {
            "host": check.host,
            "user-agent": "slug-run",
            "accept": "*/*",
            # As a request from outside that came by HTTPS: who redirects the others to it is
            # asked for the page itself.
            "x-forwarded-proto": "https",
            **check.headers,
            "connection": "close",
        }
        lines = (f"GET {check.path} HTTP/1.1", *(f"{key}: {headers[key]}" for key in headers))
        self._unsent = "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii", "replace")
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        code = self._connection.connect_ex((address.host, address.port))
        self._refused = "" if code in {0, errno.EINPROGRESS} else "connection refused"

    def answer(self, now: float) -> Answer | None:
        """None while it is open."""
        problem, is_over = self._refused, bool(self._refused)
        try:
            if not problem:
                is_over = self._go_on()
        except OSError as err:
            problem, is_over = (err.strerror or str(err)).lower(), True
        if is_over or now >= self._give_up_at:
            problem = problem or ("closed without an answer" if is_over else self._too_late())
            return self._parsed(problem)
        return None

    def close(self) -> None:
        self._connection.close()

    def _go_on(self) -> bool:
        """Send and receive what can be; whether there will be no more."""
        while self._unsent and self._is_ready(select.POLLOUT):
            self._unsent = self._unsent[self._connection.send(self._unsent) :]
        while not self._unsent and self._is_ready(select.POLLIN):
            chunk = self._connection.recv(LONGEST_ANSWER)
            self._received += chunk
            if not chunk or len(self._received) > LONGEST_ANSWER or self._is_whole():
                return True
        return False

    def _is_whole(self) -> bool:
        """Whether all is there that was announced: some keep the connection all the same."""
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]{1,9})", head)
        return bool(end and length and len(body) >= int(length[1]))

    def _is_ready(self, what: int) -> bool:
        poller = select.poll()
        poller.register(self._connection, what)
        return bool(poller.poll(0))

    def _too_late(self) -> str:
        return f"no answer within {self._check.timeout:g} seconds"

    def _parsed(self, problem: str) -> Answer:
        from http.client import HTTPException, HTTPResponse

        class Source:
            def makefile(self, mode: str) -> BytesIO:
                return received

        received = BytesIO(self._received)
        if not self._received:
            return Answer(problem=problem)
        # All that was received, and no socket: it cannot wait.
        response = HTTPResponse(Source())  # type: ignore[arg-type]  # what of a socket is used
        try:
            response.begin()
        except (HTTPException, OSError, ValueError):
            return Answer(problem="what it said is not HTTP")
        if not _END_OF_HEADERS.search(self._received):
            return Answer(problem="the headers of its answer have no end")
        body = b""
        with contextlib.suppress(HTTPException, OSError, ValueError):
            while chunk := response.read1(LONGEST_ANSWER):
                body += chunk
        return Answer(status=response.status, body=body.decode("utf-8", "replace"))
