"""Who sends a program into an app's network is killed while that is on its way."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from buildpack.support.addresses import Subnet
from runner.engines.embedded.identity import has_ended
from runner.engines.embedded.lasting.network import LastingNetwork
from runner.engines.embedded.processes import children
from runner.holder import SYSTEM_PATH
from slugc.privileges import drop_prefix
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.embedded]


def test_what_is_on_its_way_into_a_network_ends_with_who_sent_it(open_dir: Path) -> None:
    slow = open_dir / "ip"
    slow.write_text("#!/bin/sh\nexec sleep 1\n")
    slow.chmod(0o755)
    unshare = ("unshare", "--user", "--map-root-user", "--net", "sleep", "1000")
    holder = subprocess.Popen((*drop_prefix(), *unshare))
    until(lambda: command_of(holder.pid).startswith("sleep\0"))
    sender = subprocess.Popen(
        ("sh", "-c", '"$@" & exec sleep 1000', "sender", *entry_of(holder.pid), "sleep", "1000"),
        env={"PATH": f"{open_dir}:{SYSTEM_PATH}"},
    )
    try:
        until(lambda: children(sender.pid))
        (sent,) = children(sender.pid)
        sent_fd = os.pidfd_open(sent)
        until(lambda: command_of(sent).startswith("sh\0-c\0ip "))
    finally:
        for each in (sender, holder):
            each.kill()
            each.wait()
    is_gone = has_ended(sent_fd, PATIENCE)
    if not is_gone:
        signal.pidfd_send_signal(sent_fd, signal.SIGKILL)
    os.close(sent_fd)
    assert is_gone


def entry_of(holder: int) -> tuple[str, ...]:
    return LastingNetwork(
        Subnet(cidr="10.0.2.0/24"),
        reader=-1,
        lifeline=-1,
        holder=(holder, -1),
        slirp=(-1, -1),
        socket=Path("nowhere"),
    ).entry


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
