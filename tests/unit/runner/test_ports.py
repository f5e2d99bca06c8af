"""Ports of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.engines.base import Address
from runner.errors import PortInUseError
from runner.ports import (
    AddressNotHereError,
    choose_ports,
    count_connections,
    ensure_port_free,
    find_port_holder,
    listening_sockets,
    read_listeners,
)
from runner.readiness import is_reachable

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0
   1: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0
   2: 0100007F:1389 0100007F:1388 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0
"""
TABLE6 = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1388 00000000000000000000000000000000:0000 0A \
00000000:00000000 00:00000000 00000000     0        0 4714 1 0
"""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_names_its_holder(taken: int) -> None:
    with pytest.raises(PortInUseError) as caught:
        ensure_port_free(taken)
    comm = Path("/proc/self/comm").read_text().strip()
    holder = f"{comm} (process {os.getpid()})"
    assert caught.value.exit_code is ExitCode.TRY_AGAIN
    assert caught.value.text() == (
        f"Port {taken} is already in use\n\n"
        f"127.0.0.1:{taken} is held by {holder}.\n\n"
        f"Stop that program, or choose another port: --port {taken + 1}"
    )


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressNotHereError) as caught:
        ensure_port_free(5000, host="192.0.2.1")
    assert caught.value.text() == (
        "192.0.2.1 is not an address of this machine\n\n"
        "Use 127.0.0.1 (this machine only) or 0.0.0.0 (every interface)."
    )


def test_choose_ports_skips_those_in_use(taken: int) -> None:
    chosen = choose_ports(2, first=taken)
    assert taken not in chosen
    assert len(set(chosen)) == 2


def test_a_holder_we_may_not_see_is_nobody(taken: int, tmp_path: Path) -> None:
    assert find_port_holder(taken, proc=tmp_path) is None


def test_read_listeners_reads_both_families(tmp_path: Path) -> None:
    net = tmp_path / "42" / "net"
    net.mkdir(parents=True)
    (net / "tcp").write_text(TABLE)
    (net / "tcp6").write_text(TABLE6)
    assert read_listeners(42, proc=tmp_path) == (
        Address(host="127.0.0.1", port=5000),
        Address(host="0.0.0.0", port=8000),
        Address(host="::1", port=5000),
    )
    assert listening_sockets(42, Address(host="0.0.0.0", port=8000), proc=tmp_path) == ("4712",)
    assert listening_sockets(42, Address(host="::1", port=5000), proc=tmp_path) == ("4714",)


def test_a_table_that_can_hold_nothing_is_not_read(tmp_path: Path) -> None:
    net = tmp_path / "42" / "net"
    net.mkdir(parents=True)
    (net / "tcp").write_text(TABLE)
    (net / "tcp6").write_text(TABLE6)
    other = "UDP: inuse 0 mem 8\nTCP: inuse {} orphan 0 tw 3 alloc 18 mem 2\n"
    (net / "sockstat").write_text("sockets: used 4\n" + other.format(0))
    (net / "sockstat6").write_text("TCP6: inuse 1\nUDP6: inuse 0\n")
    assert read_listeners(42, proc=tmp_path) == (Address(host="::1", port=5000),)
    (net / "sockstat").write_text(other.format(10))
    (net / "sockstat6").write_text("TCP6: inuse 0\nUDP6: inuse 2\n")
    assert [each.port for each in read_listeners(42, proc=tmp_path)] == [5000, 8000]


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_table_of_several_pages_is_read_to_its_end(family: int, host: str) -> None:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket(family)) for _ in range(100)]
        for each in listeners:
            each.bind((host, 0))
            each.listen()
        ports = {each.getsockname()[1] for each in listeners}
        found = {each.port for each in read_listeners(os.getpid()) if each.host == host}
    assert found >= ports


@pytest.mark.parametrize(
    ("host", "port", "reachable"),
    [
        ("0.0.0.0", 5000, True),
        ("::", 5000, True),
        ("10.0.2.7", 5000, True),
        ("127.0.0.1", 5000, False),
        ("::1", 5000, False),
        ("fd00::7", 5000, False),
        ("::ffff:10.0.2.7", 5000, True),
        ("::ffff:127.0.0.1", 5000, False),
        ("0.0.0.0", 8000, False),
    ],
)
def test_is_reachable_means_from_outside_on_that_port(
    host: str, port: int, reachable: bool
) -> None:
    assert is_reachable(Address(host=host, port=port), 5000) is reachable


def test_connections_to_a_port_are_counted_but_for_those_of_one_address(tmp_path: Path) -> None:
    net = tmp_path / "7" / "net"
    net.mkdir(parents=True)
    head, end = TABLE.splitlines()[0], "00000000:00000000 00:00000000 00000000     0        0 1 1 0"
    rows = [
        f"   0: 0402000A:1388 0102000A:8000 01 {end}",
        f"   1: 0402000A:1388 0202000A:8001 01 {end}",
        f"   2: 0402000A:1388 0102000A:8002 06 {end}",
        f"   3: 0402000A:1389 0102000A:8003 01 {end}",
    ]
    mapped = "0000000000000000FFFF0000"
    rows6 = [
        f"   0: {mapped}0402000A:1388 {mapped}0502000A:8000 01 {end}",
        f"   1: {mapped}0402000A:1388 {mapped}0202000A:8001 01 {end}",
    ]
    (net / "tcp").write_text("\n".join((head, *rows, "")))
    (net / "tcp6").write_text("\n".join((head, *rows6, "")))
    assert count_connections(7, 5000, apart_from="10.0.2.2", proc=tmp_path) == 2
    assert count_connections(7, 5000, apart_from="10.0.2.9", proc=tmp_path) == 4
