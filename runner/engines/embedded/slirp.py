"""slirp4netns's control socket: which port of this machine leads to which container.

One JSON request per connection (slirp4netns(1), section "API socket").
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError

TIMEOUT = 5.0


class SlirpError(SlugkitError):
    """slirp4netns refused a request or did not answer."""

    exit_code = ExitCode.UNAVAILABLE
    id = "slirp"

    def __init__(self, request: str, said: str) -> None:
        self.request, self.said = request, said
        super().__init__(
            "A container's port could not be made reachable",
            details=f"slirp4netns answered to {request}: {said}",
        )


class SlirpApi:
    """Requests to one slirp4netns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add_forward(self, *, host: str, port: int, guest: str, guest_port: int) -> int:
        """Make ``host:port`` lead to the container; returns the id for ``remove_forward``."""
        answer = self._ask(
            "add_hostfwd",
            {
                "proto": "tcp",
                "host_addr": host,
                "host_port": port,
                "guest_addr": guest,
                "guest_port": guest_port,
            },
        )
        found = answer.get("id")
        if not isinstance(found, int):
            raise SlirpError("add_hostfwd", json.dumps(answer))
        return found

    def remove_forward(self, forward: int) -> None:
        self._ask("remove_hostfwd", {"id": forward})

    def forwards(self) -> tuple[int, ...]:
        """The ids of all that there are."""
        # The one answer that is not wrapped in "return".
        entries = self._ask("list_hostfwd", {}, wrapped=False).get("entries")
        if not isinstance(entries, list):
            raise SlirpError("list_hostfwd", json.dumps(entries))
        return tuple(int(entry["id"]) for entry in entries)

    def _ask(
        self, execute: str, arguments: dict[str, object], *, wrapped: bool = True
    ) -> dict[str, object]:
        request = json.dumps({"execute": execute, "arguments": arguments}).encode()
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(TIMEOUT)
                client.connect(str(self.path))
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: client.recv(4096), b""))
        except OSError as err:
            raise SlirpError(execute, str(err)) from err
        return _parse_answer(execute, answer, wrapped=wrapped)


def _parse_answer(execute: str, answer: bytes, *, wrapped: bool) -> dict[str, object]:
    try:
        parsed = json.loads(answer)
    except ValueError as err:
        raise SlirpError(execute, answer.decode("utf-8", "replace") or "nothing") from err
    result = parsed.get("return") if wrapped and isinstance(parsed, dict) else parsed
    if not isinstance(result, dict):
        raise SlirpError(execute, answer.decode("utf-8", "replace"))
    return result
