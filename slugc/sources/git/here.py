"""Whether a URL leads back to the machine that builds, as far as the URL itself says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ipaddress

_SCP_HOST = re.compile(r"(?:[^@/]*@)?(\[[^\]]*\]|[^:/]*):")


def leads_here(url: str) -> bool:
    """Whether it names this machine's loopback, or the addresses that clouds answer under.

    Strangers' files (a list of buildpacks, .gitmodules) may name servers, and what answers here
    answers because who asks is here. No name server is asked: the addresses that names lead to
    are judged when they are connected to (buildpack/support/peers.py).
    """
    host = host_of(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    if address is None:
        return False
    from buildpack.support.peers import why_here  # most sources name no server by its address

    return bool(why_here(address))


def host_of(url: str) -> str:
    """The host it names, in lower case; empty where that is none."""
    if "://" in url:
        try:
            return (urlsplit(url).hostname or "").rstrip(".")
        except ValueError:  # of brackets that do not match: nobody connects to that
            return ""
    found = _SCP_HOST.match(url)
    return found[1].strip("[]").rstrip(".").lower() if found else ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address in any spelling that connecting programs take: ``127.1``, ``0x7f000001``."""
    import ipaddress  # most sources name no server
    import socket

    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
