"""What becomes of an app whose network has ended under it."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from pathlib import Path

from runner.engines.embedded.lasting.engine import LastingEngine


class NetworkWatch:
    """Sees that the network has ended, and makes another when nothing runs any more.

    ``ended`` is called then, and has the containers end; ``emptied`` when the last one has, for
    what else lives in it; ``mended`` once there is another.
    """

    def __init__(
        self,
        engine: LastingEngine,
        directory: Path,
        *,
        selector: selectors.BaseSelector,
        ended: Callable[[], None],
        emptied: Callable[[], None],
        mended: Callable[[], None],
    ) -> None:
        self._engine, self._dir, self._selector = engine, directory, selector
        self._ended, self._emptied, self._mended = ended, emptied, mended
        self._is_broken = False
        self._watch()

    def _watch(self) -> None:
        for descriptor in self._engine.watched:
            self._selector.register(descriptor, selectors.EVENT_READ, self._attend)

    def _attend(self) -> None:
        for descriptor in self._engine.watched:
            self._selector.unregister(descriptor)
        self._is_broken = True
        self._ended()

    def mend(self) -> None:
        """To be called when no container is left; does nothing to a network that works."""
        if not self._is_broken:
            return
        self._is_broken = False
        self._emptied()
        self._engine.end(self._dir)
        self._engine.begin(self._dir)
        self._watch()
        self._mended()
