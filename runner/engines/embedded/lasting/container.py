"""One container that outlives who started it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from runner.engines.base import Address
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.lasting.token import Token
from runner.ports import count_connections


class LastingContainer(EmbeddedContainer):
    """A container with the token it can be found again by."""

    token: Token
    status_file: Path
    """where bubblewrap writes how it ended"""
    way_out: str
    """the address that connections from outside the app's network have here"""
    told_fd: int = -1

    @property
    def inside(self) -> Address | None:
        """Where its PORT is reached in the app's own network; ``address`` is from the machine."""
        port = self.spec.port
        return None if port is None else Address(host=self.token.inside, port=port)

    def begin(self) -> None:
        """Let its command begin, now that it is written down."""
        if self.told_fd >= 0:
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                os.write(self.told_fd, b"\n")
            os.close(self.told_fd)
            self.told_fd = -1

    def connections(self) -> int:
        """How many are connected to its PORT within the app's network: requests under way.

        What comes in by the way out is not counted: nobody knows when a WebSocket will be done.
        """
        init, port = self.launched.init_pid, self.spec.port
        if init is None or port is None or self.is_removed:
            return 0
        return count_connections(init, port, apart_from=self.way_out)

    def remove(self) -> None:
        if self.told_fd >= 0:
            os.close(self.told_fd)
            self.told_fd = -1
        super().remove()

    def forget(self) -> None:
        """Remove the last trace, once nothing is written down of it that a successor goes by."""
        self.status_file.unlink(missing_ok=True)
