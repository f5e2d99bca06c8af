"""TCP ports of this machine: which are free, and who holds one."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from runner.engines.base import Address
from runner.errors import PortInUseError

# The state column of /proc/net/tcp, include/net/tcp_states.h
LISTEN = "0A"
ESTABLISHED = "01"
_PAGE = 4096  # bytes; it may have larger ones
_LONGEST_ROW = 512  # bytes; three times as many as there are


class PortForbiddenError(SlugkitError):
    """Ports below 1024 are for root, as a rule."""

    exit_code = ExitCode.PERMISSION
    id = "port-forbidden"

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(
            f"Port {port} may not be opened by this user",
            resolution="Choose a port from 1024 up, or lower the limit as root:\n\n"
            f"    sysctl net.ipv4.ip_unprivileged_port_start={port}",
        )


class AddressNotHereError(SlugkitError):
    """The address to listen on belongs to no interface of this machine."""

    exit_code = ExitCode.USAGE
    id = "address-not-here"

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(
            f"{host} is not an address of this machine",
            resolution="Use 127.0.0.1 (this machine only) or 0.0.0.0 (every interface).",
        )


def ensure_port_free(port: int, *, host: str = "127.0.0.1") -> None:
    """Raise PortInUseError, naming the holder, unless ``host:port`` can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as err:
            if err.errno == errno.EADDRINUSE:
                raise PortInUseError(port, host=host, holder=find_port_holder(port)) from err
            if err.errno in {errno.EACCES, errno.EPERM}:
                raise PortForbiddenError(port) from err
            if err.errno == errno.EADDRNOTAVAIL:
                raise AddressNotHereError(host) from err
            raise


def choose_ports(count: int, *, first: int) -> tuple[int, ...]:
    """``count`` free ports of this machine, the lowest there are from ``first`` up."""
    chosen: list[int] = []
    for port in range(first, 65536):
        if len(chosen) == count:
            break
        try:
            ensure_port_free(port)
        except PortInUseError:
            continue
        chosen.append(port)
    if len(chosen) < count:
        raise PortInUseError(first, holder=f"others, and so are all but {len(chosen)} above it")
    return tuple(chosen)


def find_port_holder(port: int, *, proc: Path = Path("/proc")) -> str | None:
    """The program that listens on ``port``: ``gunicorn (process 4711)``; None if not visible."""
    inodes = {
        inode
        for table in ("tcp", "tcp6")
        for address, inode in _read_table(proc / "self" / "net" / table)
        if address.port == port
    }
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for entry in proc.iterdir() if wanted else ():
        if entry.name.isdigit() and _holds(entry, wanted):
            name = _read_text(entry / "comm").strip() or "a program"
            return f"{name} (process {entry.name})"
    return None


def read_listeners(pid: int, *, proc: Path = Path("/proc")) -> tuple[Address, ...]:
    """Every TCP address listened on in the network that process ``pid`` lives in."""
    net = proc / str(pid) / "net"
    tables = (net / name for name in ("tcp", "tcp6") if _has_sockets(net, name))
    return tuple(dict.fromkeys(address for table in tables for address, _ in _read_table(table)))


def listening_sockets(
    pid: int, listener: Address, *, proc: Path = Path("/proc")
) -> tuple[str, ...]:
    """The inodes of the sockets behind one of ``read_listeners(pid)``."""
    table = proc / str(pid) / "net" / ("tcp6" if ":" in listener.host else "tcp")
    return tuple(inode for address, inode in _read_table(table) if address == listener)


def count_connections(pid: int, port: int, *, apart_from: str, proc: Path = Path("/proc")) -> int:
    """How many TCP connections to ``port`` are open in the network that ``pid`` lives in.

    Those of ``apart_from``, an IPv4 address, do not count.
    """
    net = proc / str(pid) / "net"
    left_out = {apart_from, f"::ffff:{apart_from}"}
    found = 0
    for name in ("tcp", "tcp6"):
        if _has_sockets(net, name):
            rows = (line.split() for line in _read_rows(net / name))
            found += sum(
                len(row) > 3
                and row[3] == ESTABLISHED
                and int(row[1].rpartition(":")[2], 16) == port
                and _host(row[2].rpartition(":")[0]) not in left_out
                for row in rows
            )
    return found


def _has_sockets(net: Path, table: str) -> bool:
    """Whether reading ``table`` can find anything.

    To read it the kernel walks through the connections of the whole machine, some five
    milliseconds of processor, which an app that boots needs more than we do. Its count of the
    sockets in one network costs nothing: "TCP: inuse 1 ..." in sockstat, "TCP6:" in sockstat6.
    """
    texts = _read_text(net / table.replace("tcp", "sockstat"))
    return re.search(r"^TCP6?: inuse 0\b", texts, re.MULTILINE) is None


def _read_table(table: Path) -> Iterator[tuple[Address, str]]:
    for line in _read_rows(table):
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTEN:
            host, _, port = fields[1].partition(":")
            yield Address(host=_host(host), port=int(port, 16)), fields[9]


def _read_rows(table: Path) -> list[str]:
    """The table without its heading.

    The kernel hands out a page at a time, full but for less than a row. So a piece with more room
    is the last: to be told so costs as long as the table itself.
    """
    content = b""
    with contextlib.suppress(OSError), table.open("rb", buffering=0) as file:
        while piece := file.read(_PAGE):
            content += piece
            if len(piece) < _PAGE - _LONGEST_ROW:
                break
    return content.decode("utf-8", "replace").splitlines()[1:]


def _host(text: str) -> str:
    """An address as /proc/net prints it: 32-bit words in the machine's own byte order."""
    import sys

    words = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in wanted for link in (process / "fd").iterdir())
    except OSError:  # another user's process, or one that has just ended
        return False


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # no IPv6 here, or the process has ended
        return ""
