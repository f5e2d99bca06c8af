"""The engine: what a run sets up once, and how one container is started in it."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support import seccomp
from buildpack.support.command import Command
from buildpack.support.files import remove_tree
from runner.engines import rundir
from runner.engines.base import Address, EngineRequest, Streams
from runner.engines.embedded import addresses, bwrap, cgroups, checks, network, rootfs, starter
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.forward import LOOPBACK, publish_port
from runner.engines.embedded.launcher import (
    ContainerStartError,
    Descriptors,
    Launched,
    MemoryTooLowError,
    launch,
)
from runner.formation import ContainerSpec
from runner.ports import ensure_port_free
from runner.release import Release
from slugc.privileges import data_dir, drop_prefix, hand_over

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MEMORY_UPPER = 256 * 1024 * 1024


def ensure_layers(release: Release, home: Path) -> tuple[Path, ...]:
    """The slug's layers, unpacked once into the store, lowest first.

    The container's system directories will be this machine's, so the slug has to be for them.
    """
    from slugc.stack import read_host_stack, require_stack
    from slugc.store import Store

    slug = release.slug
    require_stack(slug.metadata.stack, host=read_host_stack(), slug=slug.archive.name)
    return Store(home / "store").ensure_layers(slug)


def tool_env(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of the engine's own programs: where to find them, and nothing to leak.

    The system's directories come first: they hold the programs of known versions, and a user's
    PATH seldom has /usr/sbin, where ip lives.
    """
    return {"PATH": f"{SYSTEM_PATH}:{env.get('PATH', '')}".rstrip(":"), "LC_ALL": "C"}


class EmbeddedEngine:
    """Containers by bubblewrap, without a daemon."""

    name: ClassVar[str] = "embedded"

    def __init__(
        self,
        request: EngineRequest,
        *,
        layers: Callable[[Release, Path], tuple[Path, ...]] = ensure_layers,
    ) -> None:
        self._request = request
        self._ensure_layers = layers
        self._cleanup = contextlib.ExitStack()
        self._containers: list[EmbeddedContainer] = []
        self._names: dict[str, str] = {}
        """address -> container name, for /etc/hosts"""
        self._started = 0

    def __enter__(self) -> Self:
        env = self._request.env
        self._env = tool_env(env)
        checks.require_visible(self._env)
        self._home = data_dir(env)
        with contextlib.ExitStack() as undo:
            self._run = rundir.create_run_dir(self._home, env, engine=self.name)
            undo.callback(self._run.remove)
            self._network = self._begin_network()
            undo.callback(self._network.close)
            # While the bridge is being made:
            self._hierarchies = cgroups.find_hierarchies(own=Path("/proc/self/cgroup").read_text())
            undo.callback(self._remove_groups, self._run.id)
            rundir.sweep(self._home, env, engine=self.name, also=self._remove_groups)
            self._layers = self._ensure_layers(self._request.release, self._home)
            self._filter = seccomp.filter_program()
            self._await_bridge()
            # While slirp4netns starts:
            self._walls = self._build_walls()
            self._memory_upper = self._find_upper_place()
            self._say_what_is_soft()
            undo.callback(self._remove_containers)
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
        self._started += 1
        key = f"{spec.name}-{self._started}"
        with contextlib.ExitStack() as undo:
            home = self._make_home(key)
            undo.callback(remove_tree, home)
            inside = self._join_network(spec, undo)
            if publish is not None:
                ensure_port_free(publish, host=LOOPBACK)
            cgroup = self._make_cgroup(key)
            if cgroup is not None:
                undo.callback(cgroup.remove)
            # Its bridge port needs a moment to settle, which the container's own start gives it.
            self._network.await_way_out()
            launched = self._launch(spec, streams, home=home, inside=inside, cgroup=cgroup)
            lent = undo.pop_all()
            container = EmbeddedContainer(
                id=f"{self._run.id}-{key}",
                spec=spec,
                address=None,
                launched=launched,
                cgroup=cgroup,
                release=lent.close,
            )
            undo.callback(container.remove)
            # Not before its network is up: a connection made then would hang for many seconds,
            # because slirp4netns takes it at once and finds nobody to pass it on to.
            container.address = self._publish(spec, inside, publish, lent)
            undo.pop_all()
        self._containers = [*(old for old in self._containers if not old.is_removed), container]
        return container

    # What a run sets up once

    def _begin_network(self) -> network.Network:
        subnet = addresses.choose_subnet(_host_addresses(), Path("/proc/net/route").read_text())
        return network.Network(subnet, socket=self._run.sockets / "slirp.sock", env=self._env)

    def _await_bridge(self) -> None:
        try:
            self._network.await_bridge()
        except network.NetworkError:
            checks.require(self._env)  # knows the reason in most cases, and the remedy
            raise

    def _build_walls(self) -> bwrap.Walls:
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
        home = self._make_home("probe")
        try:
            found = checks.overlay_problem(self._app_tree(home), self._env)
        finally:
            remove_tree(home)
        if found is None:
            self._overlay_proof.touch()
            return None
        self._request.notify(
            f"Files written under /app are kept in memory, {_MEMORY_UPPER >> 20} MiB a container: "
            f"{self._home} cannot hold an overlay ({found})"
        )
        return _MEMORY_UPPER

    @property
    def _overlay_proof(self) -> Path:
        """Tried once in a boot: a directory that is emptied at each boot remembers it."""
        return self._run.sockets.parent / f"overlay-{self._home.stat().st_dev:x}"

    def _is_overlay_proven(self) -> bool:
        return self._overlay_proof.exists()

    def _say_what_is_soft(self) -> None:
        if said := cgroups.soft_limits(self._hierarchies, self._request.limits):
            self._request.notify(said)

    def _remove_groups(self, run_id: str) -> None:
        if self._hierarchies is not None:
            cgroups.remove_run_groups(self._hierarchies, run_id)

    def _remove_containers(self) -> None:
        for container in self._containers:
            container.kill()  # all at once, then wait for each
        with contextlib.ExitStack() as each:
            for container in self._containers:
                each.callback(container.remove)

    # What one container needs

    def _make_home(self, key: str) -> Path:
        home = self._run.root / key
        for path in (home, home / "upper", home / "work", home / "app"):
            path.mkdir(mode=0o755)
            hand_over(path)
        return home

    def _app_tree(self, home: Path) -> rootfs.AppTree:
        return rootfs.app_tree(self._layers, home, home / "app")

    def _join_network(self, spec: ContainerSpec, undo: contextlib.ExitStack) -> str:
        """An address, and a name by which the app's other containers find it."""
        address = self._network.take_address()
        undo.callback(self._network.give_back, address)
        self._names[address] = spec.name
        undo.callback(self._write_hosts)
        undo.callback(self._names.pop, address)
        self._write_hosts()
        return address

    def _write_hosts(self) -> None:
        rootfs.write_hosts(self._walls.etc, self._names.items())

    def _publish(
        self, spec: ContainerSpec, inside: str, publish: int | None, undo: contextlib.ExitStack
    ) -> Address | None:
        if spec.port is None:
            return None
        forward, address = publish_port(
            self._network.api, guest=inside, guest_port=spec.port, publish=publish
        )
        undo.callback(self._network.remove_forward, forward)
        return address

    def _make_cgroup(self, key: str) -> cgroups.Cgroup | None:
        if self._hierarchies is None:
            return None
        return cgroups.create_cgroup(self._hierarchies, self._run.id, key, self._request.limits)

    def _launch(
        self,
        spec: ContainerSpec,
        streams: Streams,
        *,
        home: Path,
        inside: str,
        cgroup: cgroups.Cgroup | None,
    ) -> Launched:
        tree = self._app_tree(home)
        with contextlib.closing(Descriptors(streams)) as descriptors:
            start = starter.Start(
                drop=drop_prefix(),
                cgroup=cgroup,
                plug=self._plug(inside),
                tree=tree,
                memory_upper=self._memory_upper,
                args_fd=self._write_walls(spec, streams, tree.target, cgroup, descriptors),
                ready_fd=descriptors.said,
                stderr_fd=descriptors.stderr,
                process_limits=self._process_limits(is_soft=cgroup is None),
                has_terminal=streams.terminal,
                argv=spec.argv,
            )
            command = Command(
                argv=starter.start_argv(start),
                cwd=tree.base,
                env=self._env,
                pass_fds=descriptors.passed,
            )
            try:
                return launch(spec.name, command, streams=streams, descriptors=descriptors)
            except ContainerStartError as err:
                if cgroup is not None and cgroup.has_oom_kill():
                    raise MemoryTooLowError(spec.name, self._request.limits.memory) from err
                checks.require(self._env)
                raise

    def _write_walls(
        self,
        spec: ContainerSpec,
        streams: Streams,
        app: Path,
        cgroup: cgroups.Cgroup | None,
        descriptors: Descriptors,
    ) -> int:
        """bubblewrap's arguments as a memory file, which no other process can read."""
        sandbox = bwrap.Sandbox(
            hostname=spec.name.replace(".", "-"),
            app=app,
            env=spec.env,
            cgroup_view=() if cgroup is None else cgroup.view,
            has_terminal=streams.terminal,
            seccomp_fd=descriptors.content("seccomp", self._filter),
        )
        arguments = "\0".join(bwrap.arguments(self._walls, sandbox))
        return descriptors.content("bwrap-args", os.fsencode(arguments))

    def _plug(self, inside: str) -> starter.Plug:
        port = f"v{self._started}"
        subnet = self._network.subnet
        inner = addresses.virtual_networks(Path("/proc/net/route").read_text(), subnet)
        prohibited = (*_host_addresses(), *inner)
        commands = network.container_commands(subnet, inside, port, prohibited)
        return starter.Plug(holder=self._network.pid, port=port, commands=commands)

    def _process_limits(self, *, is_soft: bool) -> str:
        _, hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        return starter.process_limits(self._request.limits, is_soft=is_soft, hard_files=hard_files)


def _host_addresses() -> tuple[str, ...]:
    return addresses.host_addresses(Path("/proc/net/fib_trie").read_text())
