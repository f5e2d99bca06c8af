"""Whether what listens on [::] takes IPv4 too, which /proc does not tell and containers need."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from buildpack.support.command import Command, capture
from buildpack.support.errors import SlugkitError
from runner.engines.embedded.entering.door import owner_of
from runner.holder import tool_env
from slugc.privileges import drop_prefix

_TIMEOUT = 5.0


@functools.lru_cache(maxsize=64)
def takes_ipv4(network_fd: int, port: int, sockets: tuple[str, ...]) -> bool:
    """Whether one of ``sockets``, the inodes of all on [::]:``port`` in this network, does.

    Asked once for the same sockets: an app that boots is looked at many times a second.
    """
    try:
        said = _ask(network_fd, port)
    except SlugkitError:  # no ss, or too old a one: it is believed, as most that listen there do
        return True
    rows = [line.split() for line in said.splitlines()]
    only = {word for row in rows if "v6only:1" in row for word in row if word.startswith("ino:")}
    return not only.issuperset(f"ino:{each}" for each in sockets)


def _ask(network_fd: int, port: int) -> str:
    app_fd = owner_of(network_fd)
    try:
        join = (f"--user=/proc/self/fd/{app_fd}", f"--net=/proc/self/fd/{network_fd}")
        look = ("ss", "-Hltn6e", f"sport = :{port}")
        command = Command(
            argv=(*drop_prefix(), "nsenter", *join, "--preserve-credentials", "--", *look),
            cwd=Path("/"),
            env=tool_env({}),
            timeout=_TIMEOUT,
            pass_fds=(app_fd, network_fd),
        )
        return capture(command)
    finally:
        os.close(app_fd)
