"""Where the kernel would send what goes to one address, by its rules and tables as they are now.

Asked as `ip route get` asks: one netlink message for one address. No table has to be read, and
rules of policy routing count as they would for our own connection.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import sys

from buildpack.support.addresses import is_inner_bridge
from buildpack.support.values import value

_HEADER = struct.Struct("=IHHII")  # linux/netlink.h: length, type, flags, sequence, port
_ROUTE = struct.Struct("=8BI")  # linux/rtnetlink.h: family, dst_len, src_len, tos, ..., type, flags
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_ERROR, _NEWROUTE, _GETROUTE, _REQUEST = 2, 24, 26, 1
_DESTINATION, _INTERFACE = 1, 4
_UNICAST, _LOCAL, _ANYCAST = 1, 2, 4

# No route, or one that says so: unreachable, prohibit, blackhole. To connect fails with the same.
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}
_NO_IPV6 = errno.EOPNOTSUPP  # ipv6.disable=1

# Documentation's own (RFC 5737, RFC 3849), so nobody's: they lead where all others lead.
_FAR = {4: ipaddress.ip_address("198.51.100.1"), 6: ipaddress.ip_address("2001:db8::1")}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@value
class Route:
    """The way to one address."""

    kind: int
    interface: str

    @property
    def is_own(self) -> bool:
        """Whether the address is this machine itself."""
        return self.kind in {_LOCAL, _ANYCAST}

    @property
    def is_to_many(self) -> bool:
        """Whether it is a network's broadcast address, or a group's."""
        return self.kind not in {_UNICAST, _LOCAL, _ANYCAST}


def route_to(address: Address) -> Route | None:
    """The way there; None where the kernel has none. Raises OSError where it does not tell."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    wanted = address.packed
    body = _ROUTE.pack(family, 8 * len(wanted), *bytes(6), 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(wanted), _DESTINATION) + wanted
    length = _HEADER.size + len(body)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as kernel:
        kernel.send(_HEADER.pack(length, _GETROUTE, _REQUEST, 0, 0) + body)
        answer = kernel.recv(65536)
    kind = _HEADER.unpack_from(answer)[1]
    if kind == _ERROR:
        code = -_CODE.unpack_from(answer, _HEADER.size)[0]
        if code in _NO_WAY or (code == _NO_IPV6 and address.version == 6):
            return None
        raise OSError(code, os.strerror(code))
    return Route(kind=_ROUTE.unpack_from(answer, _HEADER.size)[7], interface=_interface(answer))


def _interface(answer: bytes) -> str:
    at = _HEADER.size + _ROUTE.size
    while at < len(answer):
        length, name = _ATTRIBUTE.unpack_from(answer, at)
        if name == _INTERFACE:
            return socket.if_indextoname(int.from_bytes(answer[at + 4 : at + 8], sys.byteorder))
        at += (length + 3) & ~3
    return ""


def is_inside(address: Address, route: Route) -> bool:
    """Whether it lies in a network inside this machine: on a bridge without any network card, which
    is not the way out either. Other apps are there, those of a Docker Engine for one."""
    if not is_inner_bridge(route.interface):
        return False
    out = route_to(_FAR[address.version])
    return out is None or out.interface != route.interface
