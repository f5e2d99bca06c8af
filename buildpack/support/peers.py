"""Who a download may be connected to: nobody on this machine, unless the user named them.

A name is judged by the addresses it leads to, and the connection goes to the very address that was
judged: a name server that answers differently the next time changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.routes import Address, is_inside, route_to
from buildpack.support.urls import without_password
from buildpack.support.values import value

Place = tuple[str, int | None]
"""A host and a port of it; None is every port."""

_METADATA = frozenset(
    {
        "fd00:ec2::254",  # Amazon's 169.254.169.254
        "100.100.100.200",  # Alibaba's
        "192.0.0.192",  # Oracle's
        "168.63.129.16",  # Azure's
    }
)
"""Where clouds tell a machine its own secrets, beside the link-local addresses."""
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))
"""NAT64 (RFC 6052, RFC 8215): an IPv4 address is in the last four bytes."""

_TO_MANY = "the address of no single server"


class AddressRefusedError(SlugkitError):
    """A URL that nobody but a source, or a server that redirects, has named leads here."""

    exit_code = ExitCode.DATA
    id = "address-refused"

    def __init__(self, url: str, host: str, address: str, why: str, *, hint: str = "") -> None:
        self.url, self.host, self.address, self.why = without_password(url), host, address, why
        found = f"{printable(host)} is {address}, " if address != host else f"{address} is "
        super().__init__(
            f"{printable_path(self.url)} leads to the machine that builds",
            details=f"{found}{why}.",
            resolution=hint,
        )


def why_here(address: Address) -> str:
    """What an address is that no stranger may have us connect to; empty for all others."""
    address = _embedded(address)
    if str(address) in _METADATA or address.is_link_local:
        return "where clouds answer about the machine itself"
    if address.is_loopback or address.is_unspecified:
        return "this machine's loopback"
    if address.is_multicast or str(address) == "255.255.255.255":
        return _TO_MANY
    try:
        return _why_by_route(address)
    except OSError as err:  # who may be anywhere is no one to connect to
        return f"and the kernel does not say where that is ({err.strerror})"


def _why_by_route(address: Address) -> str:
    route = route_to(address)
    if route is None:
        return ""  # nobody is connected to there: whoever tries is told
    if route.is_to_many:
        return _TO_MANY
    if route.is_own:
        return "an address of this machine"
    return "in a network inside this machine" if is_inside(address, route) else ""


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


@value
class Peers:
    """Who may be connected to. ``named`` may be anywhere; all others, elsewhere alone."""

    named: frozenset[Place] = frozenset()
    hint: str = ""
    """what to do about an address that is refused; ``{host}`` is who leads there"""

    def is_named(self, host: str, port: int | None) -> bool:
        """Whether the user named it."""
        name = host.rstrip(".").lower()
        return bool({(name, port), (name, None)} & self.named)

    def addresses(self, url: str, host: str, port: int) -> Sequence[str]:
        """Where ``host`` is, every address of it judged. Raises OSError where it is nowhere."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        texts = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        if self.is_named(host, port):
            return texts
        for text in texts:
            why = why_here(ipaddress.ip_address(text.partition("%")[0]))
            if why:
                hint = self.hint.replace("{host}", printable(host))
                raise AddressRefusedError(url, host, text, why, hint=hint)
        return texts

    def connect(
        self,
        url: str,
        place: tuple[str, int],
        timeout: float,
        source: tuple[str, int] | None = None,
    ) -> socket.socket:
        """A connection to the first of its addresses that answers."""
        host, port = place
        failed: OSError = OSError("it has no address")
        for address in self.addresses(url, host, port):
            try:
                return socket.create_connection((address, port), timeout, source)
            except OSError as err:
                failed = err
        raise failed
