"""Addresses, routes and command lines of the app's network."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from buildpack.support.addresses import (
    Subnet,
    choose_subnet,
    host_addresses,
    route_networks,
    virtual_networks,
)
from buildpack.support.user_network import WayOut, slirp_argv
from runner.engines.base import Address
from runner.engines.embedded import forward
from runner.engines.embedded.network import AddressesUsedUpError, container_commands
from runner.engines.embedded.slirp import SlirpApi, SlirpError
from runner.holder import NetworkError
from tests.waiting import PATIENCE

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
     |-- 192.0.2.2
        /32 host LOCAL
"""
# Interface, destination, gateway, flags, ..., mask; numbers as the kernel prints them
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_host_addresses_are_all_but_loopback() -> None:
    assert host_addresses(FIB_TRIE) == ("172.17.0.1", "192.0.2.2")


def test_networks_that_are_all_the_hosts_are_among_its_addresses() -> None:
    """A table of policy routing says nothing of what the machine is: all it sends to a proxy."""
    proxied = "Id 100:\n  |-- 0.0.0.0\n     /0 host LOCAL\n  |-- 10.2.0.0\n     /16 host LOCAL\n"
    any_ip = "     |-- 10.1.0.0\n        /32 host LOCAL\n        /16 host LOCAL\n"
    found = host_addresses(proxied + FIB_TRIE + any_ip)
    assert found == ("10.1.0.0/16", "10.1.0.0", "172.17.0.1", "192.0.2.2")
    assert choose_subnet(("10.0.0.0/8",), "").cidr == "172.31.83.0/24"


def test_route_networks_leave_out_the_default_route() -> None:
    assert [str(each) for each in route_networks(ROUTES)] == ["172.17.0.0/16", "10.0.2.0/24"]


@pytest.mark.parametrize(
    ("addresses", "routes", "cidr"),
    [
        ((), "", "10.0.2.0/24"),
        (("10.0.2.15",), "", "10.83.7.0/24"),  # a VirtualBox guest
        ((), ROUTES, "10.83.7.0/24"),
        (("10.0.2.15", "10.83.7.1"), "", "172.31.83.0/24"),
    ],
)
def test_subnet_is_one_the_host_does_not_use(
    addresses: tuple[str, ...], routes: str, cidr: str
) -> None:
    assert choose_subnet(addresses, routes).cidr == cidr


def test_subnet_has_slirps_own_addresses_apart() -> None:
    subnet = Subnet(cidr="10.83.7.0/24")
    assert (subnet.gateway, subnet.nameserver) == ("10.83.7.2", "10.83.7.3")
    assert subnet.container_addresses[0] == "10.83.7.4"
    assert len(subnet.container_addresses) == 251


def test_container_commands_prohibit_metadata_and_the_host() -> None:
    text = container_commands(Subnet(cidr="10.0.2.0/24"), "10.0.2.4", "v1", ("192.0.2.2",))
    assert text == (
        "link add eth0 address 02:53:0a:00:02:04 mtu 65520"
        " type veth peer name v1 mtu 65520 netns 1\n"
        "link set lo up\n"
        "link set eth0 up\n"
        "addr add 10.0.2.4/24 dev eth0\n"
        "route add default via 10.0.2.2\n"
        "route add prohibit 169.254.0.0/16\n"
        "route add prohibit 192.0.2.2\n"
    )


def test_slirp_is_walled_in_itself() -> None:
    subnet = Subnet(cidr="10.0.2.0/24")
    argv = slirp_argv(WayOut(subnet=subnet, holder=77, socket=Path("/run/s.sock")), 5, 6)
    assert argv == (
        "slirp4netns",
        "--mtu=65520",
        "--cidr=10.0.2.0/24",
        "--disable-host-loopback",
        "--enable-sandbox",
        "--enable-seccomp",
        "--exit-fd=5",
        "--ready-fd=6",
        "--api-socket=/run/s.sock",
        "77",
        "tap0",
    )
    assert "--configure" in slirp_argv(WayOut(subnet=subnet, holder=77), 5, 6)


def test_full_network_is_told_in_words() -> None:
    assert AddressesUsedUpError(Subnet(cidr="10.0.2.0/24")).text() == (
        "The app's network is full\n\n"
        "All 251 addresses of 10.0.2.0/24 are in use.\n\n"
        "Start fewer containers."
    )


def test_network_that_does_not_start_is_told_in_words() -> None:
    assert NetworkError("bridge", "RTNETLINK answers: Operation not permitted\n").text() == (
        "The app's own network could not be set up\n\n"
        "bridge: RTNETLINK answers: Operation not permitted\n\n"
        "slug-run engine doctor checks what it needs."
    )


# The control socket


class FakeSlirp:
    """Answers each connection with the next answer, and keeps the requests."""

    def __init__(self, path: Path, *answers: object) -> None:
        self.requests: list[dict[str, object]] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, args=(answers,))
        self._thread.start()

    def _serve(self, answers: tuple[object, ...]) -> None:
        for answer in answers:
            client, _ = self._server.accept()
            with client:
                self.requests.append(json.loads(client.makefile("rb").read()))
                client.sendall(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._server.close()


REFUSED = {"error": {"desc": "bad request: add_hostfwd: slirp_add_hostfwd failed"}}


def test_forward_is_asked_for_and_given_back(tmp_path: Path) -> None:
    slirp = FakeSlirp(tmp_path / "s", {"return": {"id": 3}}, {"return": {}})
    api = SlirpApi(tmp_path / "s")
    assert api.add_forward(host="127.0.0.1", port=8, guest="10.0.2.4", guest_port=5000) == 3
    api.remove_forward(3)
    slirp.close()
    arguments = {
        "proto": "tcp",
        "host_addr": "127.0.0.1",
        "host_port": 8,
        "guest_addr": "10.0.2.4",
        "guest_port": 5000,
    }
    assert slirp.requests == [
        {"execute": "add_hostfwd", "arguments": arguments},
        {"execute": "remove_hostfwd", "arguments": {"id": 3}},
    ]


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", REFUSED, {"return": {}}])
def test_answer_that_is_none_is_an_error(tmp_path: Path, answer: object) -> None:
    slirp = FakeSlirp(tmp_path / "s", answer)
    with pytest.raises(SlirpError) as caught:
        SlirpApi(tmp_path / "s").add_forward(host="h", port=1, guest="g", guest_port=2)
    slirp.close()
    assert caught.value.brief == "A container's port could not be made reachable"
    assert caught.value.details.startswith("slirp4netns answered to add_hostfwd: ")


def test_dead_slirp_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SlirpError, match="could not be made reachable"):
        SlirpApi(tmp_path / "none").remove_forward(1)


def test_a_port_somebody_took_meanwhile_is_tried_again(tmp_path: Path) -> None:
    slirp = FakeSlirp(tmp_path / "s", REFUSED, REFUSED, {"return": {"id": 1}})
    api = SlirpApi(tmp_path / "s")
    found, address = forward.publish_port(api, guest="g", guest_port=5000, publish=None)
    slirp.close()
    assert (found, address.host) == (1, "127.0.0.1")
    last = slirp.requests[-1]["arguments"]
    assert isinstance(last, dict)
    assert Address(host="127.0.0.1", port=last["host_port"]) == address


def test_networks_inside_the_machine_are_known_by_their_bridges(tmp_path: Path) -> None:
    """A Docker Engine's are; the network beyond a card that is bridged, bonded or not, is not."""
    for name in ("docker0", "lan0", "lan1", "vpn0"):
        (tmp_path / name / "bridge").mkdir(parents=True)
    for name in ("veth1", "bond0", "eth1/device"):
        (tmp_path / name).mkdir(parents=True)
    for upper, lower in (("docker0", "veth1"), ("lan0", "eth1"), ("lan1", "bond0")):
        (tmp_path / upper / f"lower_{lower}").symlink_to(f"../{lower}")
    (tmp_path / "bond0/lower_eth1").symlink_to("../eth1")
    rest = "\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    more = [f"{name}\t0000{net}AC{rest}" for name, net in (("lan0", "12"), ("lan1", "13"))]
    more += [f"vpn0\t000014AC{rest}", "vpn0\t00000000\t010014AC\t3\t0\t0\t0\t00000000\t0\t0\t0\n"]
    routes = ROUTES + "".join(more)
    assert virtual_networks(routes, Subnet(cidr="10.0.2.0/24"), tmp_path) == ("172.17.0.0/16",)
    assert virtual_networks(routes, Subnet(cidr="172.17.9.0/24"), tmp_path) == ()
