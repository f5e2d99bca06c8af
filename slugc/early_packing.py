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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from buildpack.support.errors import SlugkitError
from slugc.archive.limits import Limits
from slugc.archive.scan import check_links, scan_tree
from slugc.frames import ensure_frame
from slugc.layers import APP, LAYER_DIRECTORIES, LayerPlan, plan_layers
from slugc.slug import SlugFormat
from slugc.store import Store

FIRST_LOOK = 0.5  # seconds; a build in which nothing has changed is over by then
PAUSE = 0.06
SHARE = 3  # of our time, looking takes at most one part in so many
ATTEMPTS = 2  # for each layer: a tree that keeps changing is left to the end
LOWEST = 19  # as in nice(1)


class EarlyPacker(threading.Thread):
    """Entered, it watches ``tree``; left, it has finished what it had begun.

    ``packed`` names the layers it made frames of.
    """

    def __init__(self, tree: Path, store: Store, format: SlugFormat, limits: Limits) -> None:  # noqa: A002
        super().__init__(daemon=True)
        self._tree, self._store, self._format, self._limits = tree, store, format, limits
        self._over = threading.Event()
        self._attempts: dict[str, int] = {}
        self._done: dict[str, LayerPlan] = {}
        self.packed: set[str] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
        before: Mapping[str, LayerPlan] = {}
        pause = FIRST_LOOK
        while not self._over.wait(pause):
            started = time.monotonic()
            plans = self._look()
            pause = max(PAUSE, SHARE * (time.monotonic() - started))
            for name, plan in plans.items():
                if plan == before.get(name) and not self._over.is_set():
                    self._pack(plan)
            before = plans

    def _look(self) -> Mapping[str, LayerPlan]:
        """The layers there are by now; none while they change under our eyes."""
        roots = (self._tree / name for _, names in LAYER_DIRECTORIES for name in names)
        if not any(os.path.lexists(root) for root in roots):
            return {}
        try:
            plans = plan_layers(scan_tree(self._tree, self._limits))
        except (OSError, SlugkitError):
            return {}  # Whatever is wrong with the tree is said when it is packed in earnest.
        return {plan.name: plan for plan in plans if plan.name != APP}

    def _pack(self, plan: LayerPlan) -> None:
        if plan == self._done.get(plan.name) or self._attempts.get(plan.name, 0) == ATTEMPTS:
            return
        self._attempts[plan.name] = self._attempts.get(plan.name, 0) + 1
        try:
            check_links(plan.entries)
            self._store.create()
            frame = ensure_frame(self._store, self._tree, plan, self._format)
        except (OSError, SlugkitError):
            return  # As above.
        self._done[plan.name] = plan
        if not frame.reused:
            self.packed.add(plan.name)
