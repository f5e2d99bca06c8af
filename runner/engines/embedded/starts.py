"""How one container of a run is started, and which ones live."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from buildpack.support import addresses, cgroups
from buildpack.support.command import Command
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import SlugkitError
from buildpack.support.hierarchies import Hierarchies
from buildpack.support.values import value
from runner.engines.base import Address, Limits, Streams
from runner.engines.embedded import bwrap, network, rootfs, starter
from runner.engines.embedded.launcher import (
    ContainerStartError,
    Descriptors,
    Launched,
    MemoryTooLowError,
    launch,
)
from runner.engines.rundir import RunDir
from runner.formation import ContainerSpec
from runner.holder import NetworkError
from slugc.privileges import drop_prefix

if TYPE_CHECKING:
    from runner.engines.embedded.container import EmbeddedContainer

_BROUGHT_BACK = "What carries connections to ports of this machine was killed, and is there again"


@value
class Ground:
    """What a run has set up once, for all of its containers."""

    env: Mapping[str, str]
    """of the engine's own programs"""
    limits: Limits
    run: RunDir
    network: network.Network
    hierarchies: Hierarchies | None
    layers: tuple[Path, ...]
    filter: bytes
    walls: bwrap.Walls
    memory_upper: int | None


@value
class Gate:
    """Where a container waits before its command begins; the start closes both descriptors."""

    told_fd: int
    """where it waits for a word"""
    status_fd: int | None = None
    """where it is written how it ended, if it outlives who starts it"""


class Starts:
    """Starts containers on one ``Ground``."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._network = ground.network
        self._containers: list[EmbeddedContainer] = []
        self._names: dict[str, str] = {}
        """address -> container name, for /etc/hosts"""
        self._started = 0

    def start(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
    ) -> EmbeddedContainer:
        with contextlib.ExitStack() as undo:
            key, home, inside, cgroup = self._make_place(spec, undo)
            gate, begin = self._gate(spec, undo)
            launched = self._launch(
                spec, streams, home=home, inside=inside, cgroup=cgroup, gate=gate
            )
            lent = undo.pop_all()
            from runner.engines.embedded.container import EmbeddedContainer

            container = EmbeddedContainer(
                id=f"{self._ground.run.id}-{key}",
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
            self._open_host_ports(spec, launched)
            begin()
            undo.pop_all()
        self._containers = [*(old for old in self._containers if not old.is_removed), container]
        return container

    def remove_all(self) -> None:
        """End every container and give back what it used."""
        for container in self._containers:
            container.kill()  # all at once, then wait for each
        with contextlib.ExitStack() as each:
            for container in self._containers:
                each.callback(container.remove)

    def _make_place(
        self, spec: ContainerSpec, undo: contextlib.ExitStack
    ) -> tuple[str, Path, str, cgroups.Cgroup | None]:
        """Another key, the directory, the address and the control group of one container."""
        self._started += 1
        key = f"{spec.name}-{self._started}"
        home = rootfs.make_home(self._ground.run.root / key)
        undo.callback(remove_tree, home)
        inside = self._join_network(spec, undo)
        cgroup = self._make_cgroup(key)
        if cgroup is not None:
            undo.callback(cgroup.remove)
            undo.callback(cgroup.kill)  # what outlived its parent is in nobody's tree
        return key, home, inside, cgroup

    def _join_network(self, spec: ContainerSpec, undo: contextlib.ExitStack) -> str:
        """An address, and a name by which the app's other containers find it."""
        address = self._network.take_address()
        undo.callback(self._network.give_back, address)
        self._names[address] = spec.name
        undo.callback(self._write_hosts)
        undo.callback(self._names.pop, address)
        self._write_hosts()
        return address

    def _gate(
        self, spec: ContainerSpec, undo: contextlib.ExitStack
    ) -> tuple[Gate | None, Callable[[], None]]:
        """Where the command waits if there is something to be done first, and what ends that."""
        if not spec.host_ports:
            return None, lambda: None
        told, teller = os.pipe2(os.O_CLOEXEC)
        closing = undo.enter_context(os.fdopen(teller, "wb", buffering=0))

        def begin() -> None:
            with contextlib.suppress(BrokenPipeError), closing:  # it has ended already
                closing.write(b"\n")

        return Gate(told_fd=told), begin

    def _open_host_ports(self, spec: ContainerSpec, launched: Launched) -> None:
        """Let the container reach, at its own localhost, the ports of this machine it is given."""
        network, init = launched.network_fd, launched.init_fd
        if spec.host_ports and network is not None and init is not None:
            self._network.host_ports.open(spec.host_ports, network=network, init=init)

    def bring_back_host_ports(self, given: Iterable[EmbeddedContainer]) -> str | None:
        """To the containers that had them; what to tell of it."""
        lost = [each for each in given if not self._has_host_ports(each.launched)]
        try:
            for each in lost:
                self._open_host_ports(each.spec, each.launched)
        except SlugkitError as err:
            return f"{err.brief}. {err.details}"
        return _BROUGHT_BACK if lost else None

    def _has_host_ports(self, launched: Launched) -> bool:
        network = launched.network_fd
        return network is None or self._network.host_ports.is_served(network)

    def _write_hosts(self) -> None:
        rootfs.write_hosts(self._ground.walls.etc, self._names.items())

    def _publish(
        self, spec: ContainerSpec, inside: str, publish: int | None, undo: contextlib.ExitStack
    ) -> Address | None:
        if spec.port is None:
            return None
        from runner.engines.embedded.forward import publish_port

        forward, address = publish_port(
            self._network.api, guest=inside, guest_port=spec.port, publish=publish
        )
        undo.callback(self._network.remove_forward, forward)
        return address

    def _make_cgroup(self, key: str) -> cgroups.Cgroup | None:
        if self._ground.hierarchies is None:
            return None
        return cgroups.create_cgroup(
            self._ground.hierarchies, self._ground.run.id, key, self._ground.limits
        )

    def _launch(
        self,
        spec: ContainerSpec,
        streams: Streams,
        *,
        home: Path,
        inside: str,
        cgroup: cgroups.Cgroup | None,
        gate: Gate | None = None,
    ) -> Launched:
        tree = rootfs.app_tree(self._ground.layers, home, home / "app")
        with contextlib.closing(Descriptors(streams)) as descriptors:
            sandbox = bwrap.Sandbox(
                hostname=spec.name.replace(".", "-"),
                app=tree.target,
                env=self._env_of(spec, cgroup),
                cgroup_view=() if cgroup is None else cgroup.view,
                has_terminal=streams.terminal,
                seccomp_fd=descriptors.content("seccomp", self._ground.filter),
                quota=self._show_quota(cgroup, descriptors),
                status_fd=None
                if gate is None or gate.status_fd is None
                else descriptors.keep(gate.status_fd),
            )
            start = starter.Start(
                drop=drop_prefix(),
                cgroup=cgroup,
                plug=self._plug(inside),
                tree=tree,
                memory_upper=self._ground.limits.disk or self._ground.memory_upper,
                args_fd=self._write_walls(sandbox, descriptors),
                ready_fd=descriptors.said,
                stderr_fd=descriptors.stderr,
                process_limits=self._process_limits(is_soft=cgroup is None),
                has_terminal=streams.terminal,
                argv=spec.argv,
                told_fd=None if gate is None else descriptors.keep(gate.told_fd),
            )
            command = Command(
                argv=starter.start_argv(start),
                cwd=tree.base,
                env=self._ground.env,
                pass_fds=descriptors.passed,
            )
            try:
                return launch(
                    spec.name,
                    command,
                    streams=streams,
                    descriptors=descriptors,
                    meanwhile=self._while_it_starts,
                )
            except NetworkError:
                _explain(self._ground.env)
                raise
            except ContainerStartError as err:
                if cgroup is not None and cgroup.has_oom_kill():
                    raise MemoryTooLowError(spec.name, self._ground.limits.memory) from err
                _explain(self._ground.env)
                raise

    def _env_of(self, spec: ContainerSpec, cgroup: cgroups.Cgroup | None) -> Mapping[str, str]:
        if cgroup is not None:
            return spec.env
        from runner.engines.embedded.soft_limits import with_memory

        return with_memory(spec.env, self._ground.limits)

    def _show_quota(
        self, cgroup: cgroups.Cgroup | None, descriptors: Descriptors
    ) -> tuple[int, PurePosixPath] | None:
        """What is to be read as its limit, where the kernel's is higher: apps plan by it."""
        quota = self._ground.limits.quota
        if cgroup is None or quota is None:
            return None
        return descriptors.content("quota", b"%d\n" % quota), cgroup.memory_file

    def _while_it_starts(self) -> None:
        """What has to be there when it has started, and takes as long as that."""
        # The bridge port of slirp4netns needs a moment to settle: the rest of the start gives it.
        self._network.await_way_out()
        import runner.engines.embedded.container
        import runner.engines.embedded.forward
        import runner.readiness  # noqa: F401 - both are wanted next

    def _write_walls(
        self,
        sandbox: bwrap.Sandbox,
        descriptors: Descriptors,
    ) -> int:
        """bubblewrap's arguments as a memory file, which no other process can read."""
        arguments = "\0".join(bwrap.arguments(self._ground.walls, sandbox))
        return descriptors.content("bwrap-args", os.fsencode(arguments))

    def _plug(self, inside: str) -> starter.Plug:
        port = f"v{self._started}"
        subnet = self._network.subnet
        inner = addresses.virtual_networks(Path("/proc/net/route").read_text(), subnet)
        prohibited = (*addresses.read_host_addresses(), *inner)
        commands = network.container_commands(subnet, inside, port, prohibited)
        return starter.Plug(holder=self._network.pid, port=port, commands=commands)

    def _process_limits(self, *, is_soft: bool) -> str:
        _, hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        return starter.process_limits(self._ground.limits, is_soft=is_soft, hard_files=hard_files)


def _explain(env: Mapping[str, str]) -> None:
    """Raise the reason, if the machine is one, with its remedy."""
    from runner.engines.embedded import checks

    checks.require(env)
