"""The app's own network: a bridge in a namespace of its own, and slirp4netns as its way out.

No privilege, no firewall rule and no address of the host is used. Containers of one app are on
one bridge and reach each other; slirp4netns turns what leaves the bridge into ordinary sockets of
an unprivileged process, so the outside is reached and the host's loopback is not. Who dies when
slug-run dies is settled by a pipe that only slug-run holds open: the lifeline.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpack.support.command import Command, Process, spawn
from buildpack.support.errors import ExitCode, SlugkitError
from runner.engines.embedded.addresses import AddressesUsedUpError, Subnet
from runner.engines.embedded.slirp import SlirpApi
from runner.walls import LINK_LOCAL_RANGE
from slugc.privileges import drop_prefix

MTU = 65520  # the largest slirp4netns takes: fewer packets for the same bytes
START_TIMEOUT = 10.0

# Sets up the bridge and the tap device, says so, then lives exactly as long as the lifeline: cat
# reads it to its end. With SIGCHLD ignored the kernel clears away the processes that a first
# process inherits (dash's own trap does not survive exec).
_HOLDER = """\
printf %s "$1" | ip -batch - && echo ready && exec env --ignore-signal=CHLD cat >/dev/null
"""


class NetworkError(SlugkitError):
    """The app's network could not be set up."""

    exit_code = ExitCode.UNAVAILABLE
    id = "network-setup"

    def __init__(self, step: str, said: str) -> None:
        self.step, self.said = step, said
        super().__init__(
            "The app's own network could not be set up",
            details=f"{step}: {said.strip() or 'no answer'}",
            resolution="slug-run engine doctor checks what it needs.",
        )


@dataclass(slots=True)
class Network:
    """A running network. Not frozen: addresses are taken and given back."""

    subnet: Subnet
    holder: Process
    slirp: Process
    api: SlirpApi
    lifeline: int
    free: list[str]

    @property
    def pid(self) -> int:
        """The process in the user and network namespace of the bridge.

        Its children, the holder first, are in the PID namespace that containers are started in.
        """
        return self.holder.pid

    def take_address(self) -> str:
        if not self.free:
            raise AddressesUsedUpError(self.subnet)
        return self.free.pop(0)

    def give_back(self, address: str) -> None:
        self.free.append(address)

    def remove_forward(self, forward: int) -> None:
        """Close a port again. With slirp4netns gone, so are its ports."""
        if self.slirp.poll() is None:
            self.api.remove_forward(forward)

    def close(self) -> None:
        """End holder and slirp4netns."""
        os.close(self.lifeline)
        for process in (self.slirp, self.holder):
            process.kill()
            process.wait()


def bridge_commands() -> str:
    """``ip -batch`` lines for the namespace that holds the bridge.

    The tap device is made here, before slirp4netns starts and opens it, so one step is enough.
    """
    return "\n".join(
        (
            f"link add br0 mtu {MTU} type bridge forward_delay 0 stp_state 0",
            "tuntap add dev tap0 mode tap",
            f"link set tap0 mtu {MTU} master br0 up",
            "link set br0 up",
            "link set lo up",
            "",
        )
    )


def container_commands(subnet: Subnet, address: str, port: str, prohibited: Iterable[str]) -> str:
    """``ip -batch`` lines for a container's own namespace; ``port`` is its end at the bridge.

    Process 1 is the holder: numbers are those of the PID namespace this is run in.
    A container has no capability over this namespace, so what is prohibited stays so.
    """
    return "\n".join(
        (
            f"link add eth0 mtu {MTU} type veth peer name {port} mtu {MTU} netns 1",
            "link set lo up",
            "link set eth0 up",
            f"addr add {address}/24 dev eth0",
            f"route add default via {subnet.gateway}",
            *(f"route add prohibit {target}" for target in (LINK_LOCAL_RANGE, *prohibited)),
            "",
        )
    )


def slirp_argv(
    subnet: Subnet, holder: int, socket: Path, exit_fd: int, ready_fd: int
) -> tuple[str, ...]:
    return (
        "slirp4netns",
        f"--mtu={MTU}",
        f"--cidr={subnet.cidr}",
        "--disable-host-loopback",
        # Should its packet parser be taken over, it finds neither files nor most system calls.
        "--enable-sandbox",
        "--enable-seccomp",
        f"--exit-fd={exit_fd}",
        f"--ready-fd={ready_fd}",
        f"--api-socket={socket}",
        # By process id: --enable-sandbox fails with paths (slirp4netns issue 317).
        str(holder),
        "tap0",
    )


def start_network(subnet: Subnet, *, cwd: Path, socket: Path, env: Mapping[str, str]) -> Network:
    """Start the holder, then slirp4netns; returns when both say they are ready."""
    reader, lifeline = os.pipe()
    try:
        holder = _start_holder(cwd, reader, env)
        try:
            slirp = _start_slirp(subnet, holder, socket, reader, cwd=cwd, env=env)
        except BaseException:
            holder.kill()
            holder.wait()
            raise
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(reader)
    return Network(
        subnet=subnet,
        holder=holder,
        slirp=slirp,
        api=SlirpApi(socket),
        lifeline=lifeline,
        free=list(subnet.container_addresses),
    )


def _start_holder(cwd: Path, lifeline: int, env: Mapping[str, str]) -> Process:
    unshare = (
        *("unshare", "--user", "--map-root-user", "--net"),
        *("--pid", "--fork", "--kill-child", "--"),
    )
    command = Command(
        argv=(*drop_prefix(), *unshare, "sh", "-c", _HOLDER, "slugkit-net", bridge_commands()),
        cwd=cwd,
        env=env,
    )
    said, errors = os.pipe(), os.memfd_create("holder")
    try:
        process = spawn(command, stdin=lifeline, stdout=said[1], stderr=errors)
        os.close(said[1])
        _await_ready(process, said[0], errors, "bridge")
    finally:
        os.close(said[0])
        os.close(errors)
    return process


def _start_slirp(
    subnet: Subnet,
    holder: Process,
    socket: Path,
    lifeline: int,
    *,
    cwd: Path,
    env: Mapping[str, str],
) -> Process:
    said, errors = os.pipe(), os.memfd_create("slirp")
    argv = (*drop_prefix(), *slirp_argv(subnet, holder.pid, socket, lifeline, said[1]))
    command = Command(argv=argv, cwd=cwd, env=env, pass_fds=(lifeline, said[1]))
    try:
        process = spawn(command, stdout=errors, stderr=errors)
        os.close(said[1])
        _await_ready(process, said[0], errors, "slirp4netns")
    finally:
        os.close(said[0])
        os.close(errors)
    return process


def _await_ready(process: Process, ready_fd: int, errors: int, step: str) -> None:
    """Wait for the first byte; end of file or too long a wait means it failed."""
    deadline = time.monotonic() + START_TIMEOUT
    readable, _, _ = select.select([ready_fd], [], [], max(0.0, deadline - time.monotonic()))
    if readable and os.read(ready_fd, 1):
        return
    process.kill()
    process.wait()
    said = os.pread(errors, 4096, 0).decode("utf-8", "replace")
    raise NetworkError(step, said)
