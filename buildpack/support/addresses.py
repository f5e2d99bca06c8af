"""Which addresses a network of our own has, and which are the host's: pure arithmetic."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

from buildpack.support.values import value

LINK_LOCAL_RANGE = "169.254.0.0/16"
"""Cloud providers answer questions about the machine's own credentials from this range."""

# The first that the host does not use itself. 10.0.2.0/24 is slirp's own default, and also what
# VirtualBox and QEMU give their guests.
_CANDIDATES = ("10.0.2.0/24", "10.83.7.0/24", "172.31.83.0/24", "192.168.219.0/24")

_INTERFACES = Path("/sys/class/net")


@value
class Subnet:
    """The addresses of one network: an app's, or a build's."""

    cidr: str

    @property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(self.cidr)

    @property
    def beside(self) -> str:
        """For a program of ours in the network itself, which no container is."""
        return str(self.network[1])

    @property
    def gateway(self) -> str:
        return str(self.network[2])  # libslirp's convention, as is the next

    @property
    def nameserver(self) -> str:
        return str(self.network[3])

    @property
    def container_addresses(self) -> tuple[str, ...]:
        # Each is a /24. As text, because objects of ipaddress take more than a millisecond.
        prefix = self.cidr.rpartition(".")[0]
        return tuple(f"{prefix}.{last}" for last in range(4, 255))


def host_addresses(fib_trie: str) -> tuple[str, ...]:
    """The machine's own IPv4 addresses, loopback apart, from the text of /proc/net/fib_trie.

    slirp4netns connects as a process of the host, so without a wall a container would reach what
    listens on these. Whole networks may be the machine's own (``ip route add local NETWORK``,
    AnyIP): they come as networks. In tables of policy routing those stand for some packets alone,
    mostly all there are on their way to a proxy.
    """
    found: set[ipaddress.IPv4Network] = set()
    table = last = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if not line.startswith(" "):
            table = line
        elif words[0] == "|--":
            last = words[1]
        elif words[2:3] == ["LOCAL"] and table in {"Main:", "Local:"}:
            found.add(ipaddress.IPv4Network(last + words[0]))
    others = (each for each in sorted(found) if not each.is_loopback)
    return tuple(str(each).removesuffix("/32") for each in others)


def read_host_addresses() -> tuple[str, ...]:
    """The machine's own IPv4 addresses and networks as they are now, loopback apart."""
    return host_addresses(Path("/proc/net/fib_trie").read_text())


def choose_subnet(addresses: Iterable[str], routes: str) -> Subnet:
    """The first candidate the host neither lives in nor has a route into."""
    used = [ipaddress.IPv4Network(address) for address in addresses]
    used += route_networks(routes)
    for cidr in _CANDIDATES:
        network = ipaddress.IPv4Network(cidr)
        if not any(network.overlaps(other) for other in used):
            return Subnet(cidr=cidr)
    return Subnet(cidr=_CANDIDATES[0])


def virtual_networks(routes: str, subnet: Subnet, net: Path = _INTERFACES) -> tuple[str, ...]:
    """IPv4 networks that live inside this machine, but for what overlaps ``subnet``.

    They are on bridges that no device of this machine is part of. Other apps are on them, those of
    a Docker Engine for one. A bridge with a real network card, or with the default route, is the
    way out.
    """
    rows = [(line.split()[0], _route_network(line.split())) for line in routes.splitlines()[1:]]
    ways_out = {name for name, network in rows if network.prefixlen == 0}
    inner = {name for name in {name for name, _ in rows} - ways_out if is_inner_bridge(name, net)}
    networks = (network for name, network in rows if name in inner)
    return tuple(str(each) for each in networks if not each.overlaps(subnet.network))


def is_inner_bridge(interface: str, net: Path = _INTERFACES) -> bool:
    """Whether it is a bridge that no network card of this machine is part of."""
    place = net / interface
    return (place / "bridge").is_dir() and not _has_device(place)


def _has_device(interface: Path) -> bool:
    """A card itself, or what is made of one: a bond, a VLAN."""
    is_card = (interface / "device").exists()
    return is_card or any(_has_device(lower) for lower in interface.glob("lower_*"))


def route_networks(routes: str) -> list[ipaddress.IPv4Network]:
    """Destinations from the text of /proc/net/route, the default route apart."""
    found = []
    for line in routes.splitlines()[1:]:
        network = _route_network(line.split())
        if network.prefixlen > 0:
            found.append(network)
    return found


def _route_network(words: list[str]) -> ipaddress.IPv4Network:
    """Columns 1 and 7 of /proc/net/route are destination and mask."""
    target, mask = (bytes.fromhex(words[index])[::-1] for index in (1, 7))
    return ipaddress.IPv4Network((target, bin(int.from_bytes(mask)).count("1")))
