"""Whether an app's network can be made here. It is tried: what refuses it may show nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from buildpack.support.addresses import choose_subnet, read_host_addresses
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import SlugkitError
from buildpack.support.values import changed
from runner.doctor.findings import Finding, fail, from_error, ok
from runner.engines.embedded.forward import publish_port
from runner.engines.embedded.network import Network
from runner.engines.rundir import sockets_root
from runner.holder import Holder, NetworkError, tool_env
from runner.launch import CONTAINER_PORT
from slugc.privileges import hand_over

_NAME = "app network"
_FIX = (
    "allow what it says; in a CI container: docker run --privileged, or --device /dev/net/tun"
    " --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
)


def network_finding(env: Mapping[str, str]) -> Finding:
    """One is begun as each start of an app begins it, and ended again."""
    try:
        _try(env)
    except NetworkError as err:
        found = fail(_NAME, f"cannot be made. {err.details}", _FIX)
    except SlugkitError as err:
        found = from_error(_NAME, err)
    except OSError as err:
        found = fail(_NAME, f"cannot be made. {err}")
    else:
        return ok(_NAME, "can be made, and ports of this machine lead into it")
    return changed(found, is_engine=True)


def _try(env: Mapping[str, str]) -> None:
    with ExitStack() as undo:
        # Should we be killed: by such a name it is known for what a killed run left.
        sockets = sockets_root(env) / f"doctor-{os.urandom(4).hex()}"
        sockets.mkdir(mode=0o700)
        undo.callback(remove_tree, sockets)
        hand_over(sockets)
        subnet = choose_subnet(read_host_addresses(), Path("/proc/net/route").read_text())
        tools = tool_env(env)
        network = Network(subnet, env=tools, holder=Holder(tools))
        undo.callback(network.close)
        network.await_bridge(sockets / "slirp.sock")
        network.await_way_out()
        guest = network.take_address()
        publish_port(network.api, guest=guest, guest_port=CONTAINER_PORT, publish=None)
