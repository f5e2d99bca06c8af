"""Requests without end, from clients of every kind, each answer looked at.

Half of the clients keep their connection, half open one for each request; half get, half post. A
few ask for answers that take seconds. Nothing is tried again: whatever is not the answer that was
asked for is a failure.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

LIMIT = 90.0  # seconds for one answer
PAUSE = 0.002
SLOW = "/slow"

Result = TypeVar("Result")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Load:
    """Clients of one server."""

    port: int
    clients: int = 4
    """of each of the four kinds"""
    slow_clients: int = 2
    answered: Counter[str] = field(default_factory=Counter)
    """by kind of client"""
    bodies: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    longest: float = 0.0
    _is_over: bool = False

    def during(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, which runs in a thread while the clients ask."""
        return asyncio.run(self._during(work))

    @property
    def total(self) -> int:
        return sum(self.answered.values())

    async def _during(self, work: Callable[[], Result]) -> Result:
        kinds = itertools.product((True, False), ("GET", "POST"), range(self.clients))
        tasks = [
            asyncio.create_task(self._ask_on(keeps=keeps, method=method, path="/"))
            for keeps, method, _ in kinds
        ]
        tasks += [
            asyncio.create_task(self._ask_on(keeps=bool(n % 2), method="GET", path=SLOW))
            for n in range(self.slow_clients)
        ]
        try:
            return await asyncio.to_thread(work)
        finally:
            self._is_over = True
            await asyncio.gather(*tasks)

    async def _ask_on(self, *, keeps: bool, method: str, path: str) -> None:
        kind = f"{method} {path} {'kept' if keeps else 'new'}"
        streams: Streams | None = None
        while not self._is_over:
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                began = asyncio.get_running_loop().time()
                is_last = await asyncio.wait_for(
                    self._ask(streams, keeps=keeps, method=method, path=path), LIMIT
                )
                if path != SLOW:
                    self.longest = max(self.longest, asyncio.get_running_loop().time() - began)
                self.answered[kind] += 1
            except (OSError, EOFError, ValueError) as err:
                self.failed.append(f"{kind}: {type(err).__name__}: {err}")
                is_last = True
            if (is_last or not keeps) and streams is not None:
                streams[1].close()
                streams = None
            await asyncio.sleep(PAUSE)
        if streams is not None:
            streams[1].close()

    async def _ask(self, streams: Streams, *, keeps: bool, method: str, path: str) -> bool:
        """Whether the server says that this was the connection's last answer."""
        reader, writer = streams
        body = b"x" * 100 if method == "POST" else b""
        connection = "keep-alive" if keeps else "close"
        head = f"{method} {path} HTTP/1.1\r\nHost: load\r\nConnection: {connection}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        found = await reader.readexactly(int(headers["content-length"]))
        if lines[0].split()[1] != "200":
            raise ValueError(f"{lines[0]}: {found[:100]!r}")
        self.bodies[found.decode()] += 1
        return headers.get("connection") == "close"
