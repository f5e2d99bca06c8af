"""Starts containers that outlive us, and takes over those that are there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support import cgroups
from buildpack.support.values import changed
from runner.engines.base import Address, Limits, Streams
from runner.engines.embedded.forward import publish_port
from runner.engines.embedded.identity import LastingChain, open_process
from runner.engines.embedded.lasting.container import LastingContainer
from runner.engines.embedded.lasting.files import RECORDS, ROUTER
from runner.engines.embedded.lasting.network import LastingNetwork
from runner.engines.embedded.lasting.token import Token, make_token
from runner.engines.embedded.lasting.trash import NAME as TRASH
from runner.engines.embedded.lasting.trash import Trash
from runner.engines.embedded.launcher import Launched, open_network
from runner.engines.embedded.starts import Gate, Ground, Starts
from runner.formation import ContainerSpec

_NOT_CONTAINERS = {"etc", RECORDS, ROUTER, TRASH}


class LastingStarts(Starts):
    """Starts containers that outlive us, and takes over those of who was here before us."""

    _network: LastingNetwork

    def __init__(self, ground: Ground, *, first: int, trash: Trash) -> None:
        super().__init__(ground)
        self._started = first
        self._trash = trash
        self._cpu_weight = 100

    def choose(
        self, *, layers: tuple[Path, ...], limits: Limits, cpu_weight: int, memory_upper: int | None
    ) -> None:
        """What the next container is made of."""
        self._cpu_weight = cpu_weight
        self._ground = changed(
            self._ground, layers=layers, limits=limits, memory_upper=memory_upper
        )

    def start_lasting(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None
    ) -> LastingContainer:
        """One container, which waits for ``begin``."""
        with contextlib.ExitStack() as undo:
            key, home, inside, cgroup = self._make_place(spec, undo)
            told, teller = os.pipe2(os.O_CLOEXEC)
            undo.callback(os.close, teller)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            status = os.open(self._status_file(key), flags, 0o600)
            undo.callback(self._status_file(key).unlink)
            launched = self._launch(
                spec,
                streams,
                home=home,
                inside=inside,
                cgroup=cgroup,
                gate=Gate(told_fd=told, status_fd=status),
            )
            container = self._new(spec, key, launched, cgroup)
            undo.callback(container.remove)
            self._open_host_ports(spec, launched)
            forward = self._forward(spec, inside, publish)
            container.token = make_token(
                key, launched, inside, forward, cgroup, host_ports=spec.host_ports
            )
            container.address = container.token.address
            container.release = self._lend(spec, container.token)
            container.told_fd = teller
            undo.pop_all()
        return container

    def _make_cgroup(self, key: str) -> cgroups.Cgroup | None:
        cgroup = super()._make_cgroup(key)
        if cgroup is not None:
            cgroups.set_cpu_weight(cgroup, self._cpu_weight)
        return cgroup

    def adopt(self, spec: ContainerSpec, token: Token) -> LastingContainer:
        """A container that another supervisor started; it may have ended since."""
        self._network.take(token.inside)
        self._names[token.inside] = spec.name
        chain_fd = open_process(token.chain)
        chain = LastingChain(token.chain.pid, chain_fd, self._status_file(token.key))
        init_fd = None if token.init is None else open_process(token.init)
        init_pid = None if init_fd is None or token.init is None else token.init.pid
        launched = Launched(
            chain=chain,
            chain_fd=chain_fd if chain_fd is not None else _readable(),
            init_pid=init_pid,
            init_fd=init_fd,
            network_fd=open_network(init_pid),
        )
        groups = {name: Path(path) for name, path in token.groups.items()}
        is_v2 = len(set(groups.values())) == 1
        cgroup = cgroups.Cgroup(dirs=groups, is_v2=is_v2) if groups else None
        if token.host_ports and launched.network_fd is not None:
            self._network.host_ports.adopt(launched.network_fd)
        known = changed(spec, host_ports=token.host_ports)
        container = self._wrap(known, token.key, launched, cgroup)
        container.token, container.address = token, token.address
        container.release = self._lend(spec, token)
        return container

    def clear_unknown(self, known: Mapping[str, Token]) -> None:
        """Remove what is left of containers that were started and never written down."""
        forwards = (token.forward for token in known.values())
        self._network.remove_forwards_except(frozenset(x for x in forwards if x is not None))
        run = self._ground.run
        for home in run.root.iterdir():
            if home.is_dir() and home.name not in {*known, *_NOT_CONTAINERS}:
                self._trash.delete(home)
        self._trash.empty()
        if self._ground.hierarchies is not None:
            cgroups.remove_groups_except(self._ground.hierarchies, run.id, frozenset(known))
        for status in (run.root / RECORDS).glob("*.status"):
            if status.stem not in known:
                status.unlink()
        with contextlib.suppress(OSError):  # as above
            self._write_hosts()

    def _new(
        self, spec: ContainerSpec, key: str, launched: Launched, cgroup: cgroups.Cgroup | None
    ) -> LastingContainer:
        chain = LastingChain(
            launched.chain.pid, launched.chain_fd, self._status_file(key), process=launched.chain
        )
        return self._wrap(spec, key, changed(launched, chain=chain), cgroup)

    def _status_file(self, key: str) -> Path:
        return self._ground.run.root / RECORDS / f"{key}.status"

    def _wrap(
        self, spec: ContainerSpec, key: str, launched: Launched, cgroup: cgroups.Cgroup | None
    ) -> LastingContainer:
        container = LastingContainer(
            id=f"{self._ground.run.id}-{key}",
            spec=spec,
            address=None,
            launched=launched,
            cgroup=cgroup,
            release=lambda: None,
        )
        container.status_file = self._status_file(key)
        container.way_out = self._network.subnet.gateway
        return container

    def _forward(
        self, spec: ContainerSpec, inside: str, publish: int | None
    ) -> tuple[int, Address] | None:
        if spec.port is None:
            return None
        return publish_port(self._network.api, guest=inside, guest_port=spec.port, publish=publish)

    def _lend(self, spec: ContainerSpec, token: Token) -> Callable[[], None]:
        """Gives back what the container used. Its group is the container's own to remove."""

        def give_back() -> None:
            if token.forward is not None:
                self._network.remove_forward(token.forward)
            self._names.pop(token.inside, None)
            with contextlib.suppress(OSError):  # a full disk: one name too many for a while
                self._write_hosts()
            self._network.give_back(token.inside)
            self._trash.delete(self._ground.run.root / token.key)

        return give_back


def _readable() -> int:
    """A descriptor that is readable from the start, for a container that has ended."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.close(writer)
    return reader
