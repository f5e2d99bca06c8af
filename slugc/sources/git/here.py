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
    answers because who asks is here. No name server is asked: a name may lead here all the same.
    """
    host = _host_of(url).rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (
        address.is_loopback or address.is_link_local or address.is_unspecified
    )


def _host_of(url: str) -> str:
    if "://" in url:
        try:
            return urlsplit(url).hostname or ""
        except ValueError:  # of brackets that do not match: nobody connects to that
            return ""
    found = _SCP_HOST.match(url)
    return found[1].strip("[]") if found else ""


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
