"""What is known of a container for whoever goes on with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from buildpack.support import cgroups
from buildpack.support.values import value
from runner.engines.base import Address
from runner.engines.embedded.identity import ProcessId, process_id
from runner.engines.embedded.launcher import Launched


@value
class Token:
    """What the engine needs to know of a container to go on with it. Plain data, for a file."""

    key: str
    chain: ProcessId
    init: ProcessId | None
    inside: str
    """its address in the app's network"""
    forward: int | None
    address: Address | None
    groups: Mapping[str, str]
    host_ports: tuple[int, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "key": self.key,
            "chain": [self.chain.pid, self.chain.started],
            "init": None if self.init is None else [self.init.pid, self.init.started],
            "inside": self.inside,
            "forward": self.forward,
            "address": None if self.address is None else [self.address.host, self.address.port],
            "groups": dict(self.groups),
            "host_ports": list(self.host_ports),
        }


def parse_token(found: Mapping[str, object]) -> Token:
    """The token that ``as_json`` was called on."""

    def process(name: str) -> ProcessId | None:
        pair = found[name]
        return ProcessId(pid=pair[0], started=pair[1]) if isinstance(pair, list) else None

    chain, address, groups = process("chain"), found["address"], found["groups"]
    forward = found["forward"]
    ports = found.get("host_ports", [])  # absent: of a Slugkit before this one
    assert isinstance(ports, list)
    assert chain is not None
    assert isinstance(groups, dict)
    return Token(
        key=str(found["key"]),
        chain=chain,
        init=process("init"),
        inside=str(found["inside"]),
        forward=forward if isinstance(forward, int) else None,
        address=Address(host=address[0], port=address[1]) if isinstance(address, list) else None,
        groups=groups,
        host_ports=tuple(ports),
    )


def make_token(
    key: str,
    launched: Launched,
    inside: str,
    forward: tuple[int, Address] | None,
    cgroup: cgroups.Cgroup | None,
    *,
    host_ports: tuple[int, ...],
) -> Token:
    init = None
    if launched.init_pid is not None:
        with contextlib.suppress(ProcessLookupError):
            init = process_id(launched.init_pid)
    return Token(
        key=key,
        chain=process_id(launched.chain.pid),
        init=init,
        inside=inside,
        forward=None if forward is None else forward[0],
        address=None if forward is None else forward[1],
        groups={}
        if cgroup is None
        else {name: os.fspath(path) for name, path in cgroup.dirs.items()},
        host_ports=host_ports,
    )
