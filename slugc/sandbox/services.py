"""Services of this machine that a build may reach: those the settings of who builds name.

A build's own network leads past this machine: its loopback, its addresses and the networks inside
it are out of reach. But a package index, a mirror or a proxy may well run here. What a setting of
the person who builds names as HOST:PORT is let through, that address and port alone; what the
source names (a requirements file, say) is not, because the source is what the walls are for.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from buildpack.support.values import value

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/\s@]*@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[^/\s:,?#\[\]]+)(?::(?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^/\s:,]+):(?P<port>\d{1,5})/?", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443, "ftp": 21, "socks4": 1080, "socks5": 1080, "socks5h": 1080}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@value
class Service:
    """One address and port of this machine, or of a network inside it."""

    address: str
    port: int
    host: str
    """as the setting names it"""

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback


def named_services(settings: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Every host and port that a value names, in a URL or, for proxies, without a scheme."""
    found: dict[tuple[str, int], None] = {}
    for name, text in sorted(settings.items()):
        if (
            name.lower() == "no_proxy"
        ):  # names what is not to be reached through one, and no service
            continue
        for word in text.split():
            # UV_INDEX may give an index a name: NAME=URL.
            match = _URL.search(word)
            if match is None and name.lower().endswith("_proxy"):
                match = _BARE.fullmatch(word)
            if match is None:
                continue
            parts = match.groupdict()
            scheme = re.sub(r".*[+]", "", (parts.get("scheme") or "").lower())
            port = int(parts["port"] or _PORTS.get(scheme, 0))
            if 0 < port < 65536:
                found[parts["host"].strip("[]").lower(), port] = None
    return tuple(found)


def services_here(
    named: Iterable[tuple[str, int]], walled_off: Iterable[str], hosts: str, hostname: str
) -> tuple[Service, ...]:
    """Those of ``named`` that lie behind the walls, which nothing else does.

    ``walled_off`` are networks and addresses the build cannot reach; ``hosts`` is the text of
    /etc/hosts. No name server is asked: that could take seconds.
    """
    known = _known_names(hosts)
    networks = [ipaddress.ip_network(each) for each in walled_off]
    found: dict[Service, None] = {}
    for host, port in named:
        for address in _addresses(host, known, hostname.lower()):
            inside = any(address.version == net.version and address in net for net in networks)
            if address.is_loopback or inside:
                found[Service(address=str(address), port=port, host=host)] = None
    return tuple(found)


def read_services_here(
    settings: Mapping[str, str], walled_off: Iterable[str]
) -> tuple[Service, ...]:
    """The same for this machine as it is now."""
    named = named_services(settings)
    if not named:
        return ()
    hosts = Path("/etc/hosts")
    text = hosts.read_text(errors="replace") if hosts.is_file() else ""
    return services_here(named, walled_off, text, socket.gethostname())


def _known_names(hosts: str) -> Mapping[str, list[Address]]:
    known: dict[str, list[Address]] = {}
    for line in hosts.splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and (address := _parsed(words[0])):
            for name in words[1:]:
                known.setdefault(name.lower(), []).append(address)
    return known


def _addresses(host: str, known: Mapping[str, list[Address]], own: str) -> Iterator[Address]:
    if address := _parsed(host):
        yield address
    elif host in known:
        yield from dict.fromkeys(known[host])
    elif host in {"localhost", own} or host.endswith(".localhost"):
        yield ipaddress.IPv4Address("127.0.0.1")


def _parsed(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
