"""Caddy's standard error into lines of ours."""

from __future__ import annotations

from collections import deque

from runner.router_log.codes import Standing, determine_code, is_error
from runner.router_log.handled import Aborted, Handled, Said, parse_line
from runner.router_log.lines import router_line
from runner.router_log.traffic import Traffic

MOST_PENDING = 1000


class Translator:
    """Remembers what one line says of another, and counts."""

    def __init__(self, standing: Standing, traffic: Traffic | None = None) -> None:
        self._standing = standing
        self._traffic = traffic
        self._broken: deque[str] = deque(maxlen=MOST_PENDING)

    def __call__(self, line: bytes) -> bytes:
        """A line as it is logged; nothing where there is nothing to log."""
        found = self.line(line.decode("utf-8", "replace"))
        return f"{found}\n".encode("utf-8", "replace") if found else b""

    def line(self, text: str) -> str:
        """The same, as text."""
        match parse_line(text):
            case Handled() as handled:
                return self._tell(handled)
            case Aborted(error=error):
                self._broken.append(error)
                return ""
            case Said(text=said):
                return said

    def _tell(self, handled: Handled) -> str:
        # Caddy says why just before; of two that break in one moment, one may get the other's why.
        broken = self._broken.popleft() if handled.is_cut_off and self._broken else None
        code = determine_code(handled, broken, self._standing)
        name = self._standing.name_of(handled.upstream) if handled.upstream else ""
        if self._traffic is not None:
            self._traffic.note(name, handled.proxied, is_error=is_error(code))
        return router_line(handled, code, name)
