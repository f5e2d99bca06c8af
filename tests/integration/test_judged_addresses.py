"""Whether the addresses of a machine are known as its own: asked where the kernel says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.embedded_support import CHECKOUT

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

# A machine with bridges inside it, as a Docker Engine makes them, and networks that are its own.
MACHINE = """\
set -e
mount -t sysfs sysfs /sys
ip link set lo up
ip link add inner type bridge
ip link add card type veth peer name beyond
ip link set inner up; ip link set card up; ip link set beyond up
ip addr add 172.30.0.1/16 dev inner
ip -6 addr add fd00:30::1/64 dev inner nodad
ip addr add 203.0.113.9/24 dev card
ip route add local 10.1.0.0/16 dev lo
ip -6 route add local 2001:db8:5::/48 dev lo
ip link add way type bridge; ip link set way up
ip addr add 198.18.0.2/24 dev way
ip route add default via 198.18.0.1
ip route add local 0.0.0.0/0 dev lo table 100
ip -6 route add local ::/0 dev lo table 100
ip rule add fwmark 1 lookup 100
ip rule add to 192.88.99.0/24 lookup 100
ip -6 rule add to 2001:db8:7::/48 lookup 100
ip route add unreachable 192.0.2.0/24
exec "$@"
"""
ASK = """\
import ipaddress, sys
from buildpack.support.peers import why_here
for text in sys.argv[1:]:
    print(text, why_here(ipaddress.ip_address(text)))
"""
OWN, INSIDE = "an address of this machine", "in a network inside this machine"
MANY = "the address of no single server"
JUDGED = {
    "172.30.0.1": OWN,
    "172.30.9.9": INSIDE,
    "fd00:30::1": OWN,
    "fd00:30::9": INSIDE,
    "203.0.113.9": OWN,
    "10.1.2.3": OWN,
    "2001:db8:5::9": OWN,
    "203.0.113.255": MANY,
    "192.88.99.5": OWN,  # by a rule for it, which a table read by itself does not show
    "2001:db8:7::9": OWN,
    "192.0.2.5": "",  # nowhere
    "198.18.0.1": "",  # on a bridge without a card, which is the way out
    "203.0.113.10": "",
    "198.51.100.7": "",
    "2001:db8:6::9": "",
}


def test_networks_of_a_machine_are_known_as_the_kernel_has_them() -> None:
    walls = ("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", MACHINE, "sh")
    words = (*walls, sys.executable, "-c", ASK, *JUDGED)
    told = subprocess.run(
        words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=30
    )
    assert told.returncode == 0, told.stderr
    assert dict(line.split(" ", 1) for line in told.stdout.splitlines()) == JUDGED
