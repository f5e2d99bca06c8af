"""Packs layers while the build goes on, with time that nobody else wants.

Runtime and dependencies lie ready in the build directory long before a build is over, and most of
a build waits: for a network, or for one core of several. A buildpack may say when a layer is
finished (FINISHED_LAYERS_DIR, docs/slugc.md); until one does, we look whether one is still.

What is packed is remembered by its tree's signature, as always, and by a seal of what was scanned,
so packing the slug finds the layer if its tree is still the same at the end, and makes another one
if it is not. Nothing else depends on what happened here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from buildpack.support.errors import SlugkitError
from slugc.archive.judge import TreePath
from slugc.archive.limits import Limits
from slugc.archive.scan import check_links, scan_tree
from slugc.packing.frames import FrameMaker, NotWantedError
from slugc.packing.layer_memory import LayerMemory
from slugc.packing.layers import LAYER_DIRECTORIES, LayerPlan, plan_layers
from slugc.packing.links import settle_links
from slugc.slug import SlugFormat
from slugc.store import Store

FIRST_LOOK = 0.5  # seconds; a build in which nothing has changed is over by then
PAUSE = 0.05
ASK = 0.01  # seconds between two questions whether a layer is finished, two calls of the kernel
SHARE = 3  # of our time, looking takes at most one part in so many
STILL = 0.1  # seconds in which a layer must not have changed
SETTLED = 0.02  # the same for one said to be finished: two ticks of the file clock, as seals want
ATTEMPTS = 2  # for each layer: a tree that keeps changing is left to the end
LOWEST = 19  # as in nice(1)


class EarlyPacker(threading.Thread):
    """Entered, it watches ``tree``; left, it has finished what it had begun.

    ``packed`` are the digests of the frames it made, and ``memory`` is told of whole layers. In
    the directory ``finished``, which may be the build's, a buildpack leaves files named as layers.
    """

    def __init__(
        self,
        tree: Path,
        store: Store,
        format: SlugFormat,  # noqa: A002  # the word it is known by
        limits: Limits,
        *,
        finished: Path | None = None,
        memory: LayerMemory | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._tree, self._store, self._limits = tree, store, limits
        self._finished, self._memory = finished, memory
        self._over = threading.Event()
        self._told: set[str] = set()
        self._maker = FrameMaker(store, tree, format, wanted=self._is_wanted)
        self._attempts: dict[str, int] = {}
        self._roots: set[TreePath] = set()  # of the layers that are packed
        self._left_out: dict[bytes, bytes] = {}

    @property
    def packed(self) -> frozenset[str]:
        return frozenset(self._maker.made)

    @property
    def left_out(self) -> Mapping[bytes, bytes]:
        """Links to the machine that are in no layer, and in the tree as they were seen."""
        found = self._left_out.items()
        return {path: to for path, to in found if _leads_to(self._tree / os.fsdecode(path), to)}

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
        next_look = time.monotonic() + FIRST_LOOK
        while not self._over.wait(min(ASK, PAUSE)):
            if told := self._newly_finished():
                self._told |= told
                self._pack_finished(told)
            elif not self._told and time.monotonic() >= next_look:
                started = time.monotonic()
                self._pack_those(self._lying_there())
                next_look = time.monotonic() + max(PAUSE, SHARE * (time.monotonic() - started))

    def _is_wanted(self) -> bool:
        """Of what was said to be finished we need all, whoever is waiting: begun is begun."""
        return bool(self._told) or not self._over.is_set()

    def _newly_finished(self) -> set[str]:
        if self._finished is None:
            return set()
        names = (name for name, _ in LAYER_DIRECTORIES if name not in self._told)
        return {name for name in names if os.path.lexists(self._finished / name)}

    def _lying_there(self) -> set[str]:
        """The layers of which a directory is there that was not packed yet: without a scan."""
        return {
            name
            for name, directories in LAYER_DIRECTORIES
            if self._attempts.get(name, 0) < ATTEMPTS
            and any(os.path.lexists(self._tree / directory) for directory in directories)
        }

    def _pack_finished(self, names: set[str]) -> None:
        """Those that were changed a moment ago are looked at again: else none would be noted."""
        scanned = time.time_ns()
        plans = self._look(names)
        if not all(is_still(plan, SETTLED, scanned) for plan in plans):
            time.sleep(SETTLED)
            scanned = time.time_ns()
            plans = self._look(names)
        for plan in plans:
            self._pack(plan, scanned)

    def _pack_those(self, names: set[str]) -> None:
        if not names:
            return
        scanned = time.time_ns()
        for plan in self._look(names):
            if is_still(plan, STILL, time.time_ns()) and self._is_wanted():
                self._pack(plan, scanned)

    def _look(self, names: set[str]) -> Sequence[LayerPlan]:
        """Those layers, as they are by now; none while they change under our eyes."""
        try:
            scanned = scan_tree(self._tree, self._limits, without=frozenset(self._roots))
            entries, left_out = settle_links(self._tree, scanned)
            self._left_out |= left_out
            return [plan for plan in plan_layers(entries) if plan.name in names]
        except (OSError, SlugkitError):
            return ()  # Whatever is wrong with the tree is said when it is packed in earnest.

    def _pack(self, plan: LayerPlan, scanned: int) -> None:
        self._attempts[plan.name] = self._attempts.get(plan.name, 0) + 1
        try:
            check_links(plan.entries)
            self._store.create()
            (layer,) = self._maker.ensure([plan])
            if self._memory is not None:
                self._memory.learn(plan, layer, scanned=scanned)
        except (OSError, SlugkitError, NotWantedError):
            return  # As above; or the build is over, and what was made will be found.
        self._attempts[plan.name] = ATTEMPTS
        self._roots.update(plan.roots)


def is_still(plan: LayerPlan, seconds: float, moment: int) -> bool:
    """Whether nobody had touched the layer's files so long before; ctime tells of links too."""
    newest = max((entry.changed for entry in plan.entries), default=0)
    return moment - newest >= seconds * 1e9


def _leads_to(place: Path, target: bytes) -> bool:
    try:
        return os.fsencode(place.readlink()) == target
    except OSError:  # it is gone, or no link any more
        return False
