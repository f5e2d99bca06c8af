"""What ss says of sockets on [::], and what is believed where it says nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from buildpack.support.command import Command, CommandNotFoundError
from runner.engines.embedded import dual_stack
from runner.engines.embedded.dual_stack import takes_ipv4

ONLY = "LISTEN 0 100 [::]:5000 [::]:* uid:1000 ino:4711 sk:1 cgroup:/ v6only:1 <->\n"
BOTH = "LISTEN 0 100 *:5000 *:* uid:1000 ino:4712 sk:2 cgroup:/ v6only:0 <->\n"
OLD = "LISTEN 0 100 *:5000 *:* uid:1000 ino:4711 sk:1\n"


@pytest.fixture
def network() -> Iterator[int]:
    takes_ipv4.cache_clear()
    found = os.open("/proc/self/ns/net", os.O_RDONLY)
    yield found
    os.close(found)


@pytest.mark.parametrize(
    ("said", "sockets", "takes"),
    [
        (ONLY, ("4711",), False),
        (BOTH, ("4712",), True),
        (ONLY + BOTH, ("4711",), False),
        (ONLY + BOTH, ("4711", "4712"), True),
        (OLD, ("4711",), True),
        ("", ("4711",), True),
    ],
)
def test_ss_tells_of_the_sockets_asked_about(
    said: str, sockets: tuple[str, ...], takes: bool, network: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dual_stack, "capture", lambda _: said)
    assert takes_ipv4(network, 5000, sockets) is takes


def test_the_same_sockets_are_asked_about_once(
    network: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def capture(command: Command) -> str:
        asked.append(command.argv)
        return ONLY

    monkeypatch.setattr(dual_stack, "capture", capture)
    for sockets in (("4711",), ("4711",), ("4713",)):
        takes_ipv4(network, 5000, sockets)
    assert len(asked) == 2
    assert asked[0][-3:] == ("ss", "-Hltn6e", "sport = :5000")


def test_a_listener_is_believed_where_nobody_can_be_asked(
    network: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def capture(_: Command) -> str:
        raise CommandNotFoundError("ss")

    monkeypatch.setattr(dual_stack, "capture", capture)
    assert takes_ipv4(network, 5000, ("4711",))
