"""The app's own network: a bridge in a namespace of its own, and slirp4netns as its way out.

No privilege, no firewall rule and no address of the host is used. Containers of one app are on
one bridge and reach each other; slirp4netns turns what leaves the bridge into ordinary sockets of
an unprivileged process, so the outside is reached and the host's loopback is not. Who dies when
slug-run dies is settled by a pipe that only slug-run holds open: the lifeline (runner/holder.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.addresses import LINK_LOCAL_RANGE, Subnet
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.user_network import MTU, Starting, WayOut, start_slirp
from runner.holder import Holder, NetworkError
from slugc.privileges import drop_prefix

if TYPE_CHECKING:
    from runner.engines.embedded.host_ports.asking import HostPorts
    from runner.engines.embedded.slirp import SlirpApi


class AddressesUsedUpError(SlugkitError):
    """More containers of one app than its network has addresses."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "addresses-used-up"

    def __init__(self, subnet: Subnet) -> None:
        self.subnet = subnet
        super().__init__(
            "The app's network is full",
            details=f"All {len(subnet.container_addresses)} addresses of {subnet.cidr} are in use.",
            resolution="Start fewer containers.",
        )


class NetworkEndedError(SlugkitError):
    """A program that containers are reached through was killed."""

    exit_code = ExitCode.UNAVAILABLE
    id = "network-ended"

    def __init__(self, program: str) -> None:
        self.program = program
        super().__init__(
            "The app's network has ended",
            details=f"{program}, which it cannot do without, was killed.",
            resolution="Start the app again. The kernel's log says if there was no memory left.",
        )


class Network:
    """An app's network. Its two programs start while other things are done:
    ``await_bridge`` comes before the first container, ``await_way_out`` before its first port.
    """

    _host_ports: HostPorts | None = None

    def __init__(self, subnet: Subnet, *, env: Mapping[str, str], holder: Holder) -> None:
        self.subnet = subnet
        self._env = env
        self._free = list(subnet.container_addresses)
        self._slirp: Starting | None = None
        self._socket: Path | None = None
        self._holder = holder

    @property
    def pid(self) -> int:
        """The process in the user and network namespace of the bridge."""
        return self._holder.pid

    @property
    def slirp_pid(self) -> int:
        """The process that is the way out, once ``await_bridge`` has returned."""
        assert self._slirp is not None
        return self._slirp.process.pid

    @property
    def api(self) -> SlirpApi:
        """How slirp4netns is asked, once ``await_way_out`` has returned."""
        # Not before a container is on its way: this imports what speaks its language.
        from runner.engines.embedded.slirp import SlirpApi

        assert self._socket is not None
        return SlirpApi(self._socket)

    @property
    def reader(self) -> int:
        """The end of the lifeline that programs of the network live by."""
        return self._holder.reader

    @property
    def host_ports(self) -> HostPorts:
        """What lets containers reach ports of this machine, once ``await_bridge`` has returned."""
        if self._host_ports is None:
            from runner.engines.embedded.host_ports.asking import HostPorts  # few need it

            assert self._socket is not None
            path = self._socket.with_name("host-ports.sock")
            self._host_ports = HostPorts(path, holder=self.pid, lifeline=self.reader)
        return self._host_ports

    def await_bridge(self, socket: Path) -> None:
        """Return when containers can be plugged in; slirp4netns is then on its way."""
        self._holder.wait()
        self._slirp = start_slirp(
            drop_prefix(),
            WayOut(subnet=self.subnet, holder=self.pid, socket=socket),
            lifeline=self._holder.reader,
            env=self._env,
            failed=NetworkError,
        )
        self._socket = socket

    def await_way_out(self) -> None:
        """Return when slirp4netns forwards and takes requests."""
        assert self._slirp is not None
        self._slirp.wait()

    def require(self) -> None:
        """Raises NetworkEndedError where one of its two programs has ended."""
        if self._holder.has_ended():
            raise NetworkEndedError("unshare")
        if self._slirp is not None and self._slirp.process.poll() is not None:
            raise NetworkEndedError("slirp4netns")

    def take_address(self) -> str:
        if not self._free:
            raise AddressesUsedUpError(self.subnet)
        return self._free.pop(0)

    def give_back(self, address: str) -> None:
        self._free.append(address)

    def remove_forward(self, forward: int) -> None:
        """Close a port again. With slirp4netns gone, so are its ports."""
        if self._slirp is not None and self._slirp.process.poll() is None:
            self.api.remove_forward(forward)

    def close(self) -> None:
        """End holder and slirp4netns."""
        self._holder.let_go()
        if self._slirp is not None:
            self._slirp.end()
        if self._host_ports is not None:
            self._host_ports.end()
        self._holder.close()


def hardware_address(address: str) -> str:
    """A MAC of our own for each address: ``02:53:0a:00:02:65`` for 10.0.2.101.

    slirp4netns never forgets who had an address. Were it another MAC the next time, what comes in
    for the new container would go to the one that is gone, until it speaks itself.
    """
    return "02:53:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def container_commands(subnet: Subnet, address: str, port: str, prohibited: Iterable[str]) -> str:
    """``ip -batch`` lines for a container's own namespace; ``port`` is its end at the bridge.

    Process 1 is the holder: numbers are those of the PID namespace this is run in.
    A container has no capability over this namespace, so what is prohibited stays so.
    """
    return "\n".join(
        (
            f"link add eth0 address {hardware_address(address)} mtu {MTU}"
            f" type veth peer name {port} mtu {MTU} netns 1",
            "link set lo up",
            "link set eth0 up",
            f"addr add {address}/24 dev eth0",
            f"route add default via {subnet.gateway}",
            *(f"route add prohibit {target}" for target in (LINK_LOCAL_RANGE, *prohibited)),
            "",
        )
    )
