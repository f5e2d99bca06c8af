"""The network of an app whose containers outlive who started them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from buildpack.support.addresses import Subnet
from runner.engines.embedded import network
from runner.engines.embedded.identity import has_ended
from runner.engines.embedded.slirp import SlirpError
from slugc.privileges import drop_prefix

# The bridge gets an address of its own for who is beside the containers, and a MAC of its own: else
# it takes over one of theirs, another one whenever one comes or goes, and what they answer is lost.
# It is acknowledged at once: an answer in two pieces would wait 40 ms for that (Nagle's algorithm).
_JOIN = """\
ip -batch - <<END && shift 3 && exec "$@"
link set br0 address $3
address replace $1/24 dev br0 noprefixroute
route replace $2 dev br0 src $1 quickack 1
END
"""


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
    def reader(self) -> int:
        return self._reader

    @property
    def watched(self) -> tuple[int, int]:
        """Readable when the network is broken: its holder or its way out has ended."""
        return self._holder_fd, self._slirp_fd

    def is_alive(self) -> bool:
        return not any(has_ended(each) for each in self.watched)

    def await_way_out(self) -> None:
        """It was there before this value was made."""

    @property
    def entry(self) -> tuple[str, ...]:
        """Before a program's argument list: it runs beside the containers, with no right there.

        So it reaches them without slirp4netns, which takes connections to containers that have
        ended; and ends with who started it.
        """
        join = ("nsenter", "--target", str(self.pid), "--user", "--net", "--preserve-credentials")
        beside = self.subnet.beside
        addresses = (beside, self.subnet.cidr, network.hardware_address(beside))
        own = ("sh", "-c", _JOIN, "slugkit-join", *addresses)
        nobody = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--")
        # First: who started it may be killed while it joins, and would never be missed later.
        bound = ("setpriv", *drop_prefix()[1:-1], "--pdeathsig", "KILL", "--")
        return (*bound, *join, "--", *own, *nobody)

    def take(self, address: str) -> None:
        """One that is in use already."""
        self._free.remove(address)

    def remove_forward(self, forward: int) -> None:
        if has_ended(self._slirp_fd):
            return
        try:
            self.api.remove_forward(forward)
        except SlirpError:
            # Removed by a supervisor that was killed before it could write that down.
            if forward in self.api.forwards():
                raise

    def remove_forwards_except(self, known: frozenset[int]) -> None:
        """Close the ports of containers that never began."""
        for forward in set(self.api.forwards()) - known:
            self.remove_forward(forward)

    def close(self) -> None:
        """Its lifeline is the store's to close, and ends it."""
        for descriptor in self.watched:
            has_ended(descriptor, 5.0)
            os.close(descriptor)
        if self._host_ports is not None:
            self._host_ports.end()
        for pid in (self._holder_pid, self._slirp_pid):
            with contextlib.suppress(ChildProcessError):  # another supervisor's
                os.waitpid(pid, os.WNOHANG)
