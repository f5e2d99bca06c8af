"""The engine of one app: a run that goes on while supervisors come and go."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from buildpack.support import addresses, cgroups
from buildpack.support.addresses import Subnet
from buildpack.support.deletion import remove_tree
from buildpack.support.hierarchies import find_hierarchies
from runner.engines.base import EngineRequest, Limits, Streams
from runner.engines.embedded import bwrap, network, rootfs
from runner.engines.embedded.engine import EmbeddedEngine
from runner.engines.embedded.identity import ProcessId, has_ended, open_process, process_id
from runner.engines.embedded.lasting.ballast import Ballast
from runner.engines.embedded.lasting.container import LastingContainer
from runner.engines.embedded.lasting.files import (
    LIFELINE,
    LOCK,
    READER,
    RECORDS,
    ROUTER,
    RUN_FILE,
    FdStore,
    RunFilesError,
    write_now,
)
from runner.engines.embedded.lasting.network import LastingNetwork
from runner.engines.embedded.lasting.starts import LastingStarts
from runner.engines.embedded.lasting.token import Token
from runner.engines.embedded.lasting.trash import Trash
from runner.engines.embedded.starts import Ground
from runner.engines.left_sockets import sweep_left_sockets
from runner.engines.rundir import RunDir, create_run_dir, find_run_dir, sweep
from runner.formation import ContainerSpec
from runner.holder import Holder, NetworkError, tool_env
from runner.release import Release
from slugc.privileges import data_dir, let_through


class LastingEngine(EmbeddedEngine):
    """The embedded engine for one app: a run that goes on while supervisors come and go."""

    def __init__(
        self, env: Mapping[str, str], *, fds: FdStore, notify: Callable[[str], None]
    ) -> None:
        nothing: Release | None = None
        super().__init__(
            EngineRequest(release=nothing, limits=Limits(), env=env, notify=notify)  # type: ignore[arg-type]  # each container has a release of its own
        )
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
    def entry(self) -> tuple[str, ...]:
        """Before a program's argument list: it runs in the app's own network."""
        return self._network.entry

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

    def lost(self, directory: Path) -> tuple[str, ...]:
        """The containers of a run that cannot be gone on with, by name; to be asked before
        ``begin``, which removes what is left of it."""
        found = _read_run(directory / RUN_FILE)
        if found is None:
            return ()
        records = self._home / "run" / str(found["id"]) / RECORDS
        keys = [path.stem.rpartition("-") for path in sorted(records.glob("*-*.json"))]
        return tuple(name for name, _, number in keys if number.isdigit())

    def begin(self, directory: Path) -> None:
        """Start a run, and write it down in ``directory``. What a dead one has left is removed."""
        self.forget(directory)
        self._run = create_run_dir(self._home, self._request.env, engine=self.name)
        self._fds.store(LOCK, self._run.lock)
        # Before anything runs as who might put another one's notes there (supervision/front.py).
        (self._run.root / ROUTER).mkdir(mode=0o700)
        let_through(self._run.root / ROUTER)
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
        self._trash.close()
        if self._hierarchies is not None:
            cgroups.remove_run_groups(self._hierarchies, self._run.id)
        remove_tree(self._run.sockets)
        remove_tree(self._run.root)
        self._fds.drop(LOCK)
        sweep_left_sockets(self._run.sockets.parent)

    def spare_room(self) -> AbstractContextManager[None]:
        """To be held while a container is started and written down: also on a full disk."""
        return Ballast(self._run.root / "ballast").lent()

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
        """Start a container, which waits for ``begin``. Raises RunFilesError."""
        if self._memory_upper is None:
            self._layers = layers
            self._memory_upper = (self._find_upper_place(),)
        self._starts.choose(
            layers=layers,
            limits=limits,
            cpu_weight=cpu_weight,
            memory_upper=self._memory_upper[0],
        )
        try:
            return self._starts.start_lasting(spec, streams=streams, publish=publish)
        except OSError as err:
            raise RunFilesError(spec.name, err.strerror or str(err)) from err

    def adopt(self, spec: ContainerSpec, token: Token) -> LastingContainer:
        return self._starts.adopt(spec, token)

    def clear_unknown(self, known: Mapping[str, Token]) -> None:
        self._starts.clear_unknown(known)

    def empty_trash(self) -> None:
        """To be asked now and then: whoever emptied it may have been killed."""
        self._trash.empty()

    def _begin_lasting_network(self, reader: int, lifeline: int) -> None:
        found = addresses.read_host_addresses()
        subnet = addresses.choose_subnet(found, Path("/proc/net/route").read_text())
        holder = Holder(self._env, lifeline=(reader, lifeline))
        made = network.Network(subnet, env=self._env, holder=holder)
        socket = self._run.sockets / "slirp.sock"
        try:
            made.await_bridge(socket)
            made.await_way_out()
        except NetworkError:
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
        self._hierarchies = find_hierarchies()
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
        self._trash = Trash(self._run.root, self._request.env)
        return LastingStarts(ground, first=_highest(self._run.root), trash=self._trash)

    def _sweep(self) -> None:
        hierarchies = find_hierarchies()

        def remove_groups(run_id: str) -> None:
            if hierarchies is not None:
                cgroups.remove_run_groups(hierarchies, run_id)

        sweep(self._home, self._request.env, engine=self.name, also=remove_groups)


def _read_run(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _highest(root: Path) -> int:
    """The last number that a container's key was made with: its directory may be gone before what
    is written down of it."""
    names = [path.name for path in root.iterdir()]
    names += [path.stem for path in (root / RECORDS).iterdir()]
    numbers = (name.rpartition("-")[2] for name in names)
    return max((int(number) for number in numbers if number.isdigit()), default=0)
