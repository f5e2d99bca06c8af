"""Containers that outlive who started them: the embedded engine under a supervisor that may die.

What ends them is the lifeline alone, a pipe whose ends somebody else keeps as well (an
``FdStore``). What is needed to go on with them is written to files in the run directory, and to
``Token``s, which the caller keeps with whatever else it knows of a container. Nothing is ever
running that is not written down: a container's command begins when it is told that it is known
(``begin``), and one whose starter dies before that ends by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from buildpack.support import addresses, cgroups
from buildpack.support.addresses import Subnet
from buildpack.support.files import remove_tree
from buildpack.support.values import changed, value
from runner.engines.base import Address, EngineRequest, Limits, Streams
from runner.engines.embedded import bwrap, network, rootfs
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.engine import EmbeddedEngine
from runner.engines.embedded.forward import publish_port
from runner.engines.embedded.identity import (
    LastingChain,
    ProcessId,
    has_ended,
    open_process,
    process_id,
)
from runner.engines.embedded.launcher import Launched
from runner.engines.embedded.starts import Ground, Lasting, Starts
from runner.engines.rundir import RunDir, create_run_dir, find_run_dir, sweep
from runner.formation import ContainerSpec
from runner.release import Release
from slugc.privileges import data_dir

LOCK, READER, LIFELINE = "run.lock", "run.reader", "run.lifeline"
RUN_FILE = "run.json"
RECORDS = "records"
_NOT_CONTAINERS = {"etc", RECORDS}


class FdStore(Protocol):
    """Keeps file descriptors for whoever comes after us."""

    def get(self, name: str) -> int | None: ...

    def store(self, name: str, descriptor: int) -> None:
        """Keep it; the store closes our number when it is dropped."""

    def drop(self, name: str) -> None: ...


@value
class Token:
    """What the engine needs to know of a container to go on with it. Plain data, for a file."""

    key: str
    chain: ProcessId
    init: ProcessId | None
    inside: str
    """its address in the app's network"""
    forward: int | None
    address: Address | None
    groups: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        return {
            "key": self.key,
            "chain": [self.chain.pid, self.chain.started],
            "init": None if self.init is None else [self.init.pid, self.init.started],
            "inside": self.inside,
            "forward": self.forward,
            "address": None if self.address is None else [self.address.host, self.address.port],
            "groups": dict(self.groups),
        }


def parse_token(found: Mapping[str, object]) -> Token:
    """The token that ``as_json`` was called on."""

    def process(name: str) -> ProcessId | None:
        pair = found[name]
        return ProcessId(pid=pair[0], started=pair[1]) if isinstance(pair, list) else None

    chain, address, groups = process("chain"), found["address"], found["groups"]
    forward = found["forward"]
    assert chain is not None
    assert isinstance(groups, dict)
    return Token(
        key=str(found["key"]),
        chain=chain,
        init=process("init"),
        inside=str(found["inside"]),
        forward=forward if isinstance(forward, int) else None,
        address=Address(host=address[0], port=address[1]) if isinstance(address, list) else None,
        groups=groups,
    )


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


class LastingNetwork(network.Network):
    """An app's network that was made by us or by who was here before us."""

    def __init__(
        self,
        subnet: Subnet,
        *,
        reader: int,
        lifeline: int,
        holder: tuple[int, int],
        slirp: tuple[int, int],
        socket: Path,
    ) -> None:
        self.subnet = subnet
        self._free = list(subnet.container_addresses)
        self._reader, self._lifeline = reader, lifeline
        self._holder_pid, self._holder_fd = holder
        self._slirp_pid, self._slirp_fd = slirp
        self._socket = socket

    @property
    def pid(self) -> int:
        return self._holder_pid

    @property
    def watched(self) -> tuple[int, int]:
        """Readable when the network is broken: its holder or its way out has ended."""
        return self._holder_fd, self._slirp_fd

    def is_alive(self) -> bool:
        return not any(has_ended(each) for each in self.watched)

    def await_way_out(self) -> None:
        """It was there before this value was made."""

    def take(self, address: str) -> None:
        """One that is in use already."""
        self._free.remove(address)

    def remove_forward(self, forward: int) -> None:
        if not has_ended(self._slirp_fd):
            self.api.remove_forward(forward)

    def remove_forwards_except(self, known: frozenset[int]) -> None:
        """Close the ports of containers that never began."""
        for forward in set(self.api.forwards()) - known:
            self.remove_forward(forward)

    def close(self) -> None:
        """Its lifeline is the store's to close, and ends it."""
        for descriptor in self.watched:
            has_ended(descriptor, 5.0)
            os.close(descriptor)
        for pid in (self._holder_pid, self._slirp_pid):
            with contextlib.suppress(ChildProcessError):  # another supervisor's
                os.waitpid(pid, os.WNOHANG)


class LastingStarts(Starts):
    """Starts containers that outlive us, and takes over those of who was here before us."""

    _network: LastingNetwork

    def __init__(self, ground: Ground, *, first: int) -> None:
        super().__init__(ground)
        self._started = first
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
        self._started += 1
        key = f"{spec.name}-{self._started}"
        with contextlib.ExitStack() as undo:
            home = rootfs.make_home(self._ground.run.root / key)
            undo.callback(remove_tree, home)
            inside = self._join_network(spec, undo)
            cgroup = self._make_cgroup(key)
            if cgroup is not None:
                undo.callback(cgroup.remove)
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
                lasting=Lasting(status_fd=status, told_fd=told),
            )
            container = self._new(spec, key, launched, cgroup)
            undo.callback(container.remove)
            forward = self._forward(spec, inside, publish)
            container.token = _token(key, launched, inside, forward, cgroup)
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
        launched = Launched(
            chain=chain,
            chain_fd=chain_fd if chain_fd is not None else _readable(),
            init_pid=None if init_fd is None or token.init is None else token.init.pid,
            init_fd=init_fd,
        )
        groups = {name: Path(path) for name, path in token.groups.items()}
        is_v2 = len(set(groups.values())) == 1
        cgroup = cgroups.Cgroup(dirs=groups, is_v2=is_v2) if groups else None
        container = self._wrap(spec, token.key, launched, cgroup)
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
                remove_tree(home)
        if self._ground.hierarchies is not None:
            cgroups.remove_groups_except(self._ground.hierarchies, run.id, frozenset(known))
        for status in (run.root / RECORDS).glob("*.status"):
            if status.stem not in known:
                status.unlink()
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
        return LastingContainer(
            id=f"{self._ground.run.id}-{key}",
            spec=spec,
            address=None,
            launched=launched,
            cgroup=cgroup,
            release=lambda: None,
        )

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
            self._write_hosts()
            self._network.give_back(token.inside)
            remove_tree(self._ground.run.root / token.key)
            self._status_file(token.key).unlink(missing_ok=True)

        return give_back


class LastingEngine(EmbeddedEngine):
    """The embedded engine for one app: a run that goes on while supervisors come and go."""

    def __init__(
        self, env: Mapping[str, str], *, fds: FdStore, notify: Callable[[str], None]
    ) -> None:
        nothing: Release | None = None
        super().__init__(
            EngineRequest(release=nothing, limits=Limits(), env=env, notify=notify)  # type: ignore[arg-type]  # each container has a release of its own
        )
        from runner.engines.embedded.engine import tool_env

        self._fds = fds
        self._env = tool_env(env)
        self._home = data_dir(env)
        self._memory_upper: tuple[int | None] | None = None

    @property
    def run(self) -> RunDir:
        return self._run

    @property
    def records_dir(self) -> Path:
        """Where who uses the engine writes what it knows of containers; gone with the run."""
        return self._run.root / RECORDS

    @property
    def watched(self) -> tuple[int, ...]:
        """Readable when the network has broken and ``end`` is all that is left to do."""
        return self._network.watched

    def go_on(self, directory: Path) -> bool:
        """Take over the run that is written down in ``directory``; False if none lives."""
        lock, reader, lifeline = (self._fds.get(name) for name in (LOCK, READER, LIFELINE))
        found = _read_run(directory / RUN_FILE)
        if lock is None or reader is None or lifeline is None or found is None:
            return False
        run = find_run_dir(self._home, self._request.env, str(found["id"]), lock)
        pids = (found["holder"], found["slirp"])
        fds = [open_process(ProcessId(pid=pid, started=started)) for pid, started in pids]
        if run is None or any(each is None or has_ended(each) for each in fds):
            for each in fds:
                if each is not None:
                    os.close(each)
            return False
        assert fds[0] is not None
        assert fds[1] is not None
        self._run = run
        subnet = Subnet(cidr=str(found["cidr"]))
        self._network: LastingNetwork = LastingNetwork(
            subnet,
            reader=reader,
            lifeline=lifeline,
            holder=(found["holder"][0], fds[0]),
            slirp=(found["slirp"][0], fds[1]),
            socket=run.sockets / "slirp.sock",
        )
        self._starts: LastingStarts = self._make_starts(tuple(found["etc_dirs"]))
        return True

    def begin(self, directory: Path) -> None:
        """Start a run, and write it down in ``directory``. What a dead one has left is removed."""
        self.forget(directory)
        self._run = create_run_dir(self._home, self._request.env, engine=self.name)
        self._fds.store(LOCK, self._run.lock)
        self._sweep()
        reader, lifeline = os.pipe2(os.O_CLOEXEC)
        self._fds.store(READER, reader)
        self._fds.store(LIFELINE, lifeline)
        self._begin_lasting_network(reader, lifeline)
        self.records_dir.mkdir(mode=0o700)
        etc_dirs = rootfs.write_etc(
            self._run.root / "etc", nameserver=self._network.subnet.nameserver
        )
        self._starts = self._make_starts(etc_dirs)
        pids = (process_id(self._network.pid), process_id(self._made.slirp_pid))
        holder, slirp = ([each.pid, each.started] for each in pids)
        content = {
            "id": self._run.id,
            "cidr": self._network.subnet.cidr,
            "holder": holder,
            "slirp": slirp,
            "etc_dirs": etc_dirs,
        }
        write_now(directory / RUN_FILE, json.dumps(content))

    def forget(self, directory: Path) -> None:
        """Let go of a run that cannot be gone on with: the kernel ends what is left of it."""
        (directory / RUN_FILE).unlink(missing_ok=True)
        for name in (LIFELINE, READER, LOCK):
            self._fds.drop(name)

    def end(self, directory: Path) -> None:
        """After the last container: give everything back."""
        (directory / RUN_FILE).unlink(missing_ok=True)
        self._fds.drop(LIFELINE)
        self._fds.drop(READER)
        self._network.close()
        if self._hierarchies is not None:
            cgroups.remove_run_groups(self._hierarchies, self._run.id)
        remove_tree(self._run.sockets)
        remove_tree(self._run.root)
        self._fds.drop(LOCK)

    def start_lasting(
        self,
        spec: ContainerSpec,
        *,
        streams: Streams,
        layers: tuple[Path, ...],
        limits: Limits,
        cpu_weight: int = 100,
        publish: int | None = None,
    ) -> LastingContainer:
        """Start a container, which waits for ``begin``."""
        if self._memory_upper is None:
            self._layers = layers
            self._memory_upper = (self._find_upper_place(),)
        self._starts.choose(
            layers=layers,
            limits=limits,
            cpu_weight=cpu_weight,
            memory_upper=self._memory_upper[0],
        )
        return self._starts.start_lasting(spec, streams=streams, publish=publish)

    def adopt(self, spec: ContainerSpec, token: Token) -> LastingContainer:
        return self._starts.adopt(spec, token)

    def clear_unknown(self, known: Mapping[str, Token]) -> None:
        self._starts.clear_unknown(known)

    def _begin_lasting_network(self, reader: int, lifeline: int) -> None:
        found = addresses.read_host_addresses()
        subnet = addresses.choose_subnet(found, Path("/proc/net/route").read_text())
        made = network.Network(subnet, env=self._env, lifeline=(reader, lifeline))
        socket = self._run.sockets / "slirp.sock"
        try:
            made.await_bridge(socket)
            made.await_way_out()
        except network.NetworkError:
            self._explain()
            raise
        self._made = made  # its processes are our children
        self._network = LastingNetwork(
            subnet,
            reader=reader,
            lifeline=lifeline,
            holder=(made.pid, os.pidfd_open(made.pid)),
            slirp=(made.slirp_pid, os.pidfd_open(made.slirp_pid)),
            socket=socket,
        )

    def _make_starts(self, etc_dirs: tuple[str, ...]) -> LastingStarts:
        self._hierarchies = cgroups.find_hierarchies(own=Path("/proc/self/cgroup").read_text())
        files, dirs = bwrap.masked_in()
        walls = bwrap.Walls(
            system_dirs=rootfs.system_dirs(),
            etc=self._run.root / "etc",
            etc_dirs=etc_dirs,
            masked_files=files,
            masked_dirs=dirs,
        )
        ground = Ground(
            env=self._env,
            limits=Limits(),
            run=self._run,
            network=self._network,
            hierarchies=self._hierarchies,
            layers=(),
            filter=self._filter_program(),
            walls=walls,
            memory_upper=None,
        )
        return LastingStarts(ground, first=_highest(self._run.root))

    def _sweep(self) -> None:
        hierarchies = cgroups.find_hierarchies(own=Path("/proc/self/cgroup").read_text())

        def remove_groups(run_id: str) -> None:
            if hierarchies is not None:
                cgroups.remove_run_groups(hierarchies, run_id)

        sweep(self._home, self._request.env, engine=self.name, also=remove_groups)


def write_now(path: Path, content: str) -> None:
    """Replace the file at once. Not synced: what it is about does not outlive the machine."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(content)
    temporary.replace(path)


def _token(
    key: str,
    launched: Launched,
    inside: str,
    forward: tuple[int, Address] | None,
    cgroup: cgroups.Cgroup | None,
) -> Token:
    init = None
    if launched.init_pid is not None:
        with contextlib.suppress(ProcessLookupError):
            init = process_id(launched.init_pid)
    return Token(
        key=key,
        chain=process_id(launched.chain.pid),
        init=init,
        inside=inside,
        forward=None if forward is None else forward[0],
        address=None if forward is None else forward[1],
        groups={}
        if cgroup is None
        else {name: os.fspath(path) for name, path in cgroup.dirs.items()},
    )


def _read_run(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _highest(root: Path) -> int:
    """The last number that a container's key was made with."""
    numbers = (path.name.rpartition("-")[2] for path in root.iterdir())
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _readable() -> int:
    """A descriptor that is readable from the start, for a container that has ended."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.close(writer)
    return reader
