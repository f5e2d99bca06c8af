"""Packs layers while the build goes on, with time that nobody else wants.

Runtime and dependencies lie ready in the build directory long before a build is over, and most of
a build waits: for a network, or for one core of several. What is packed is remembered by its
tree's signature, as always, so packing the slug finds the frame if the tree is still the same at
the end, and makes another one if it is not. Nothing else depends on what happened here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from buildpack.support.errors import SlugkitError
from slugc.archive.limits import Limits
from slugc.archive.scan import check_links, scan_tree
from slugc.packing.frames import FrameMaker, NotWantedError
from slugc.packing.layers import APP, LAYER_DIRECTORIES, LayerPlan, plan_layers
from slugc.slug import SlugFormat
from slugc.store import Store

FIRST_LOOK = 0.5  # seconds; a build in which nothing has changed is over by then
PAUSE = 0.05
SHARE = 3  # of our time, looking takes at most one part in so many
STILL = 0.1  # seconds in which a layer must not have changed
ATTEMPTS = 2  # for each layer: a tree that keeps changing is left to the end
LOWEST = 19  # as in nice(1)


class EarlyPacker(threading.Thread):
    """Entered, it watches ``tree``; left, it has finished what it had begun.

    ``packed`` are the digests of the frames it made.
    """

    def __init__(self, tree: Path, store: Store, format: SlugFormat, limits: Limits) -> None:  # noqa: A002
        super().__init__(daemon=True)
        self._tree, self._store, self._limits = tree, store, limits
        self._over = threading.Event()
        self._maker = FrameMaker(store, tree, format, wanted=lambda: not self._over.is_set())
        self._attempts: dict[str, int] = {}

    @property
    def packed(self) -> frozenset[str]:
        return frozenset(self._maker.made)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Wait for what it had begun, and begin nothing more."""
        self._over.set()
        self.join()

    def run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
        pause = FIRST_LOOK
        while not self._over.wait(pause):
            started = time.monotonic()
            plans = self._look() if self._has_more() else ()
            pause = max(PAUSE, SHARE * (time.monotonic() - started))
            for plan in plans:
                if not self._over.is_set() and is_still(plan):
                    self._pack(plan)

    def _has_more(self) -> bool:
        """Whether a layer is there that was not packed yet: that is seen without a scan."""
        return any(
            os.path.lexists(self._tree / directory)
            for name, directories in LAYER_DIRECTORIES
            if self._attempts.get(name, 0) < ATTEMPTS
            for directory in directories
        )

    def _look(self) -> Sequence[LayerPlan]:
        """The layers there are by now; none while they change under our eyes."""
        try:
            plans = plan_layers(scan_tree(self._tree, self._limits))
        except (OSError, SlugkitError):
            return ()  # Whatever is wrong with the tree is said when it is packed in earnest.
        return [p for p in plans if p.name != APP and self._attempts.get(p.name, 0) < ATTEMPTS]

    def _pack(self, plan: LayerPlan) -> None:
        self._attempts[plan.name] = self._attempts.get(plan.name, 0) + 1
        try:
            check_links(plan.entries)
            self._store.create()
            self._maker.ensure([plan])
        except (OSError, SlugkitError, NotWantedError):
            return  # As above; or the build is over, and what was made will be found.
        self._attempts[plan.name] = ATTEMPTS


def is_still(plan: LayerPlan) -> bool:
    """Whether nobody has touched the layer's files for a moment; ctime tells of links too."""
    newest = max((entry.changed for entry in plan.entries), default=0)
    return time.time_ns() - newest > STILL * 1e9
