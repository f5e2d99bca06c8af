"""The engine: what a run sets up once, and in which order, so that nothing waits for long.

The app's network is begun first, and what starts containers is imported while its programs do
their part: together they take the longest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from buildpack.support import addresses
from buildpack.support.command import CommandNotFoundError
from buildpack.support.errors import SlugkitError
from buildpack.support.files import find_program
from runner.engines.base import EngineRequest, Streams
from runner.engines.embedded import network
from runner.formation import ContainerSpec
from runner.holder import Holder, NetworkError, tool_env
from runner.release import Release
from slugc.privileges import data_dir

if TYPE_CHECKING:
    from runner.engines.embedded.bwrap import Walls
    from runner.engines.embedded.container import EmbeddedContainer
    from runner.engines.embedded.starts import Starts

# Whatever else is missing or forbidden shows when it is tried, and is explained then.
PROGRAMS = ("bwrap", "slirp4netns", "ip", "nsenter", "unshare", "setpriv", "mount")
_MEMORY_UPPER = 256 * 1024 * 1024
_OVERLAY_PROOF = "overlay-"


Layers = contextlib.AbstractContextManager[tuple[Path, ...]]


def layers_in_use(release: Release, home: Path) -> Layers:
    """The slug's layers, unpacked once into the store, lowest first, and there while it is held.

    Who holds it is slug-run: when that is gone, so are its containers, a moment later.

    The container's system directories will be this machine's, so the slug has to be for them.
    """
    from slugc.stack import read_host_stack, require_stack
    from slugc.store import Store

    slug = release.slug
    require_stack(slug.metadata.stack, host=read_host_stack(), slug=slug.archive.name)
    return Store(home / "store").layers_in_use(slug)


class EmbeddedEngine:
    """Containers by bubblewrap, without a daemon."""

    name: ClassVar[str] = "embedded"

    def __init__(
        self,
        request: EngineRequest,
        *,
        layers: Callable[[Release, Path], Layers] = layers_in_use,
    ) -> None:
        self._request = request
        self._layers_in_use = layers
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        env = self._request.env
        self._env = tool_env(env)
        with contextlib.ExitStack() as undo:
            self._network = self._begin_network()
            undo.callback(self._network.close)
            from runner.engines import rundir  # while the bridge is being made, as in _prepare

            self._home = data_dir(env)
            self._run = rundir.create_run_dir(self._home, env, engine=self.name)
            undo.callback(self._run.remove)
            self._starts = self._prepare(undo)
            undo.callback(self._starts.remove_all)
            self._cleanup = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def start(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
    ) -> EmbeddedContainer:
        return self._starts.start(spec, streams=streams, publish=publish)

    def look_after(self, containers: Iterable[EmbeddedContainer]) -> str | None:
        """See ``runner.engines.base.LooksAfter``. Raises NetworkEndedError."""
        self._network.require()
        return self.bring_back_host_ports(containers)

    def bring_back_host_ports(self, containers: Iterable[EmbeddedContainer]) -> str | None:
        """Open ports of this machine again if who carried connections there was killed."""
        given = [each for each in containers if each.spec.host_ports and not each.is_removed]
        return self._starts.bring_back_host_ports(given) if given else None

    def _begin_network(self) -> network.Network:
        found = addresses.read_host_addresses()
        subnet = addresses.choose_subnet(found, Path("/proc/net/route").read_text())
        try:
            holder = self._request.holder or Holder(self._env)
            return network.Network(subnet, env=self._env, holder=holder)
        except CommandNotFoundError:
            self._explain()
            raise

    def _explain(self) -> None:
        """Raise the reason, if the machine is one, with its remedy."""
        from runner.engines.embedded import checks

        checks.require(self._env)

    def _prepare(self, undo: contextlib.ExitStack) -> Starts:
        """All that containers share. The bridge is made meanwhile, then slirp4netns starts."""
        from buildpack.support import cgroups
        from buildpack.support.hierarchies import find_hierarchies
        from runner.engines import rundir
        from runner.engines.embedded.soft_limits import soft_limits
        from runner.engines.embedded.starts import Ground, Starts

        if not all(find_program(name, self._env["PATH"]) for name in PROGRAMS):
            self._explain()
        hierarchies = find_hierarchies()

        def remove_groups(run_id: str) -> None:
            if hierarchies is not None:
                cgroups.remove_run_groups(hierarchies, run_id)

        undo.callback(remove_groups, self._run.id)
        rundir.sweep(self._home, self._request.env, engine=self.name, also=remove_groups)
        if said := soft_limits(hierarchies, self._request.limits):
            self._request.notify(said)
        layers = self._layers_in_use(self._request.release, self._home)
        self._layers = undo.enter_context(layers)
        program, walls = self._filter_program(), self._build_walls()
        memory_upper = self._find_upper_place()
        self._await_bridge()
        return Starts(
            Ground(
                env=self._env,
                limits=self._request.limits,
                run=self._run,
                network=self._network,
                hierarchies=hierarchies,
                layers=self._layers,
                filter=program,
                walls=walls,
                memory_upper=memory_upper,
            )
        )

    def _filter_program(self) -> bytes:
        from runner.engines.embedded.stored_filter import filter_program

        try:
            return filter_program(self._run.sockets.parent)
        except SlugkitError:
            self._explain()
            raise

    def _await_bridge(self) -> None:
        try:
            self._network.await_bridge(self._run.sockets / "slirp.sock")
        except NetworkError:
            self._explain()  # knows the reason in most cases, and the remedy
            raise

    def _build_walls(self) -> Walls:
        from runner.engines.embedded import bwrap, rootfs

        etc = self._run.root / "etc"
        etc_dirs = rootfs.write_etc(etc, nameserver=self._network.subnet.nameserver)
        files, dirs = bwrap.masked_in()
        return bwrap.Walls(
            system_dirs=rootfs.system_dirs(),
            etc=etc,
            etc_dirs=etc_dirs,
            masked_files=files,
            masked_dirs=dirs,
        )

    def _find_upper_place(self) -> int | None:
        """None: on disk. A size: in memory, because the disk cannot hold an upper directory."""
        if self._is_overlay_proven():
            return None
        from buildpack.support.deletion import remove_tree
        from runner.engines import rundir
        from runner.engines.embedded import checks, rootfs

        home = rootfs.make_home(self._run.root / "probe")
        try:
            tree = rootfs.app_tree(self._layers, home, home / "app")
            found = checks.overlay_problem(tree, self._env)
        finally:
            remove_tree(home)
        if found is None:
            self._overlay_proof.touch()
            rundir.forget_oldest(self._overlay_proof.parent, _OVERLAY_PROOF)
            return None
        self._request.notify(
            f"Files written under /app are kept in memory, {_MEMORY_UPPER >> 20} MiB a container: "
            f"{self._home} cannot hold an overlay ({found})"
        )
        return _MEMORY_UPPER

    @property
    def _overlay_proof(self) -> Path:
        """Tried once in a boot: a directory that is emptied at each boot remembers it.

        By number and id of the file system: another one may get the number of one that is gone.
        """
        of = f"{self._home.stat().st_dev:x}-{os.statvfs(self._home).f_fsid:x}"
        return self._run.sockets.parent / f"{_OVERLAY_PROOF}{of}"

    def _is_overlay_proven(self) -> bool:
        return self._overlay_proof.exists()
