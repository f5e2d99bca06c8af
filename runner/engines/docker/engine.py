"""Starts the containers of one release on a Docker Engine, on a network of their own."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support.errors import UsageError
from runner.engines.base import Address, EngineRequest, Streams
from runner.engines.docker import owner
from runner.engines.docker.container import DockerContainer, Whereabouts, pid_here
from runner.engines.docker.daemon import Daemon, DockerCallError, connect
from runner.engines.docker.images import TarReader, ensure_image
from runner.engines.docker.options import (
    ContainerPlan,
    Publication,
    container_config,
    wall_config,
)
from runner.errors import EngineUnavailableError, PortInUseError
from runner.formation import ContainerSpec
from runner.ports import find_port_holder
from runner.release import HOST_PORTS
from slugc.slug import read_tar

LOOPBACK = "127.0.0.1"


class HostPortsEngineError(UsageError):
    """Only one engine brings ports of this machine into containers."""

    id = "host-ports-engine"

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = tuple(ports)
        super().__init__(
            f"{HOST_PORTS} cannot be used with the docker engine",
            details="Its containers reach services of this machine at their network's gateway,\n"
            "and only those that listen there.",
            resolution="Take it out and name such an address, or use --engine embedded.",
        )


class DockerEngine:
    """The Docker engine; see ``runner.engines.base.ContainerEngine``."""

    name: ClassVar[str] = "docker"

    def __init__(
        self,
        request: EngineRequest,
        *,
        connect: Callable[[Mapping[str, str]], Daemon] = connect,
        read: TarReader = read_tar,
    ) -> None:
        self._request = request
        self._connect = connect
        self._read = read
        self.slug = request.release.slug
        self.run = os.urandom(4).hex()
        self._stack = contextlib.ExitStack()
        self._containers: list[DockerContainer] = []

    def __enter__(self) -> Self:
        if self._request.release.host_ports:
            raise HostPortsEngineError(self._request.release.host_ports)
        with contextlib.ExitStack() as stack:
            self._daemon = self._connect(self._request.env)
            stack.callback(self._daemon.close)
            self._owner = owner.this_process()
            for name in owner.sweep(self._daemon, self._owner):
                self._request.notify(f"Removed the container {name} of a run that was killed")
            self._image = ensure_image(
                self._daemon,
                self.slug,
                labels=self._labels(),
                notify=self._request.notify,
                read=self._read,
            )
            self._network, gateway = self._daemon.create_network(
                f"slugkit-{self.run}", self._labels()
            )
            stack.callback(self._daemon.remove_network, self._network)
            self._is_bridged = is_own_address(gateway)
            # For what nobody needs to wait for; left before the network is removed.
            self._pool = stack.enter_context(ThreadPoolExecutor(max_workers=8))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            # Side by side: each takes a tenth of a second.
            list(self._pool.map(DockerContainer.remove, self._containers))

    def start(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
    ) -> DockerContainer:
        """Create, start and wall in one container; nothing stays of one that fails halfway."""
        publication = self._publication(spec, publish)
        plan = ContainerPlan(
            spec=spec,
            image=self._image,
            network=self._network,
            limits=self._request.limits,
            labels=self._labels(spec),
            stdin=streams.stdin is not None,
            terminal=streams.terminal,
            publication=publication,
        )
        with contextlib.ExitStack() as undo:
            created = self._daemon.create(container_config(plan))
            undo.callback(self._daemon.remove, created)
            attachment = self._daemon.attach(created, stdin=streams.stdin is not None)
            container = DockerContainer(
                self._daemon, created, spec, attachment=attachment, streams=streams
            )
            undo.callback(container.remove)
            self._start_walled(container, publish)
            container.place(self._whereabouts(created, plan))
            undo.pop_all()
        self._containers.append(container)
        return container

    def _start_walled(self, container: DockerContainer, publish: int | None) -> None:
        """The container starts behind its gate; the helper then builds the wall the gate waits for.

        The helper is made first: between start and wall lies its start alone.
        """
        labels = {**self._labels(), owner.INSTANCE: f"wall of {container.spec.name}"}
        helper = self._daemon.create(
            wall_config(image=self._image, container=container.id, labels=labels)
        )
        try:
            self._start(container.id, publish)
            container.fit_terminal()
            self._daemon.start(helper)
            code = self._daemon.wait(helper)
        except BaseException:  # Ctrl-C too: nobody else knows of the helper
            self._daemon.remove(helper)
            raise
        # Removing it takes as long as starting did; nobody waits for that.
        self._pool.submit(self._daemon.remove, helper)
        if code != 0:
            raise EngineUnavailableError(
                "docker",
                problems=("the route that blocks the cloud metadata address was refused",),
                remedies=("Let containers have NET_ADMIN in their own network.",),
            )

    def _start(self, container: str, publish: int | None) -> None:
        try:
            self._daemon.start(container)
        except DockerCallError as err:
            taken = ("port is already allocated", "address already in use")
            if publish is not None and any(words in err.reason for words in taken):
                raise PortInUseError(publish, holder=find_port_holder(publish)) from err
            raise

    def _whereabouts(self, container: str, plan: ContainerPlan) -> Whereabouts:
        state = self._daemon.inspect(container)
        port, publication = plan.spec.port, plan.publication
        address = inside = None
        if port is not None and self._is_bridged:
            inside = Address(host=state.address, port=port)
        if port is not None and publication is not None:
            published = state.ports.get(f"{port}/tcp", publication.host_port or 0)
            address = Address(host=self._daemon.host, port=published)
        elif port is not None:
            address = inside
        return Whereabouts(address=address, pid=pid_here(state.pid, container), inside=inside)

    def _publication(self, spec: ContainerSpec, publish: int | None) -> Publication | None:
        """No port is opened on the host where the container's own address answers."""
        if spec.port is None or (publish is None and self._is_bridged):
            return None
        if self._daemon.is_socket:
            return Publication(host_address=LOOPBACK, host_port=publish)
        self._request.notify(
            f"{spec.name} is published on the engine's machine, {self._daemon.host}, "
            "where others may reach it"
        )
        return Publication(host_address="", host_port=publish)

    def _labels(self, spec: ContainerSpec | None = None) -> Mapping[str, str]:
        labels = {
            owner.APP: self._request.release.app,
            owner.RUN: self.run,
            owner.OWNER: self._owner.label,
        }
        if spec is not None:
            labels |= {owner.TYPE: spec.process_type, owner.INSTANCE: spec.name}
        return labels


def is_own_address(address: str) -> bool:
    """Whether this machine has ``address``: then the engine's bridge is ours, and containers are
    reached at their own addresses. Not so with Docker Desktop, rootless or remote engines."""
    if not address:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
