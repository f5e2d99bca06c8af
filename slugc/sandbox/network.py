"""A build's own network: one namespace for all phases, and slirp4netns as its way out.

No privilege, no firewall rule and no address of the host is used. What the build sends leaves as
ordinary sockets of an unprivileged process. Out of reach are this machine's loopback and addresses,
the networks inside it, and 169.254.0.0/16, where clouds answer questions about the machine's own
credentials. The routes belong to an outer user namespace: no build code can change them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from buildpack.support.addresses import (
    LINK_LOCAL_RANGE,
    choose_subnet,
    read_host_addresses,
    virtual_networks,
)
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.user_network import Starting, WayOut, start_holder, start_slirp
from slugc.privileges import drop_prefix
from slugc.sandbox.base import Problem
from slugc.sandbox.services import Service, read_services_here

TUN = Path("/dev/net/tun")

# Says "n" when its namespaces are there and "r" when nothing can go astray in them any more; then
# it lives exactly as long as the lifeline, which cat reads to its end.
_HOLDER = """\
printf n && printf %s "$1" | ip -batch - && printf r && exec cat >/dev/null
"""


class NetworkSetupError(SlugkitError):
    """The build's own network could not be set up."""

    exit_code = ExitCode.UNAVAILABLE
    id = "build-network"

    def __init__(self, step: str, said: str) -> None:
        self.step, self.said = step, said.strip()
        super().__init__(f"{step} could not start: {self.said or 'it gave no reason'}")


class BuildNetwork:
    """The namespaces, their holder and slirp4netns, from ``begin`` to ``close``."""

    def __init__(self, settings: Mapping[str, str], *, path: str) -> None:
        routes = Path("/proc/net/route").read_text()
        own = read_host_addresses()
        self._env = {"PATH": path}
        self._subnet = choose_subnet(own, routes)
        walled_off = (LINK_LOCAL_RANGE, *own, *virtual_networks(routes, self._subnet))
        self.services = read_services_here(settings, walled_off)
        self._undo = contextlib.ExitStack()
        self._slirp: Starting | None = None
        self._reader, lifeline = os.pipe()
        self._undo.callback(os.close, self._reader)
        self._undo.callback(os.close, lifeline)  # first: it lets the programs end
        try:
            self._holder = start_holder(
                "the build's network",
                (*drop_prefix(), *holder_argv(walled_off, self.services)),
                lifeline=self._reader,
                env=self._env,
                failed=NetworkSetupError,
            )
        except BaseException:  # Ctrl-C too: `with` calls no __exit__ of what was not entered
            self._undo.close()
            raise

    @property
    def nameserver(self) -> str:
        return self._subnet.nameserver

    @property
    def prefix(self) -> tuple[str, ...]:
        """What goes before a program so that it runs in here; ``begin`` first."""
        namespaces = f"/proc/{self._holder.process.pid}/ns"
        return (
            *("nsenter", f"--user={namespaces}/user", f"--net={namespaces}/net"),
            *("--preserve-credentials", "--"),
        )

    def begin(self) -> None:
        """Return when programs can be started in here; the way out is then being made."""
        if not self._holder.has_spoken():
            self._holder.wait()  # reads on, finds the end, and tells why
        self._slirp = start_slirp(
            drop_prefix(),
            WayOut(subnet=self._subnet, holder=self._holder.process.pid),
            lifeline=self._reader,
            env=self._env,
            failed=NetworkSetupError,
        )

    def await_way_out(self) -> None:
        """Return when what runs in here reaches what it may, and nothing else."""
        assert self._slirp is not None
        self._holder.wait()
        self._slirp.wait()
        if self.services:
            from slugc.sandbox.forwards import Forwards

            try:
                forwards = Forwards(self._holder.process.pid, self.services)
            except OSError as err:
                raise NetworkSetupError("The way to a service of this machine", str(err)) from err
            self._undo.callback(forwards.close)

    def close(self) -> None:
        """End it all; what runs in here has no way out any more."""
        self._undo.close()
        for program in (self._slirp, self._holder):
            if program is not None:
                program.end()


def network_problem(path: str, tun: Path = TUN) -> Problem | None:
    """What a build's own network lacks here, as far as can be seen without trying."""
    packages = {"slirp4netns": "slirp4netns", "ip": "iproute2"}
    packages |= {"nsenter": "util-linux", "unshare": "util-linux"}
    for program, package in packages.items():
        if shutil.which(program, path=path) is None:
            return Problem(
                what=f"the program '{program}' is not installed",
                fix=f"Install it: apt-get install {package}",
            )
    if not tun.exists():
        return Problem(what=f"{tun} is missing", fix="Load the kernel's module: modprobe tun")
    # Root's own access proves nothing: slirp4netns runs as a user.
    wanted = 0o006 if os.getuid() == 0 else 0
    if tun.stat().st_mode & wanted != wanted or not os.access(tun, os.R_OK | os.W_OK):
        return Problem(what=f"{tun} may not be opened by users", fix=f"Allow it: chmod 0666 {tun}")
    return None


def holder_argv(walled_off: Iterable[str], services: Sequence[Service]) -> tuple[str, ...]:
    """The process that the namespaces belong to, and that sets them up."""
    return (
        *("unshare", "--user", "--map-root-user", "--net", "--"),
        *("sh", "-c", _HOLDER, "slugc-net", network_commands(walled_off, services)),
    )


def network_commands(walled_off: Iterable[str], services: Sequence[Service]) -> str:
    """``ip -batch`` lines: where nothing leads, and the addresses of services we stand in for.

    Such an address becomes one of the network's own, so only what listens there is reached.
    """
    elsewhere = dict.fromkeys(each.address for each in services if not each.is_loopback)
    return "\n".join(
        (
            "link set lo up",
            *(f"addr add {address} dev lo" for address in elsewhere),
            *(
                f"route add prohibit {target}"
                for target in dict.fromkeys(walled_off)
                if ipaddress.ip_network(target).num_addresses > 1 or target not in elsewhere
            ),
            "",
        )
    )


def resolver_text(found: str, nameserver: str) -> str:
    """resolv.conf for the build: this machine's, asked through the way out."""
    kept = [line for line in found.splitlines() if line.split()[:1] not in (["nameserver"], [])]
    return "\n".join((f"nameserver {nameserver}", *kept, ""))


def read_resolver(nameserver: str) -> str:
    """The same for this machine as it is now."""
    path = Path("/etc/resolv.conf")
    return resolver_text(path.read_text() if path.is_file() else "", nameserver)
