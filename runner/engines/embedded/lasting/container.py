"""One container that outlives who started it."""

from __future__ import annotations

import contextlib
import os

from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.lasting.token import Token


class LastingContainer(EmbeddedContainer):
    """A container with the token it can be found again by."""

    token: Token
    told_fd: int = -1

    def begin(self) -> None:
        """Let its command begin, now that it is written down."""
        if self.told_fd >= 0:
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                os.write(self.told_fd, b"\n")
            os.close(self.told_fd)
            self.told_fd = -1

    def remove(self) -> None:
        if self.told_fd >= 0:
            os.close(self.told_fd)
            self.told_fd = -1
        super().remove()
