"""The walls in the Engine API's words: pure functions from our values to the small dicts we send.

https://docs.docker.com/reference/api/engine/version/v1.41/ (ContainerCreate)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from buildpack.support.addresses import LINK_LOCAL_RANGE
from buildpack.support.seccomp import docker_profile
from runner.engines.base import Limits
from runner.formation import ContainerSpec
from runner.walls import (
    CONTAINER_GID,
    CONTAINER_UID,
    MASKED_PROC_DIRS,
    MASKED_PROC_FILES,
    MAX_CORE_SIZE,
    MAX_OPEN_FILES,
    RUN_SIZE,
    SHM_SIZE,
    TMP_SIZE,
)

USER = f"{CONTAINER_UID}:{CONTAINER_GID}"
BUSYBOX = "/bin/busybox"

# What every container starts with: it waits until the kernel's routing table refuses the metadata
# range (169.254.0.0 as /proc prints it on a little-endian machine, flag 0x200 RTF_REJECT), and
# becomes the container's own program. The shell is a static one: LD_PRELOAD or BASH_ENV among the
# config vars cannot run the app's code before the wall stands.
GATE = """\
stands() {
  while read -r _ destination _ flags _; do
    case $destination:$flags in 0000FEA9:02* | A9FE0000:02*) return 0 ;; esac
  done </proc/net/route
  return 1
}
until stands; do /bin/busybox sleep 0.005; done
exec "$@"
"""

# SIGHUP to who ignores SIGTTOU, bit 0x200000 of its mask: a shell that is typed into (see
# runner.terminal.has_shell). Docker's init ignores it too and would pass the signal on.
HANG_UP = """\
for status in $(/bin/busybox grep -ls 'SigIgn:.*[2367abef].....$' /proc/[0-9]*/status); do
  process=${status#/proc/}
  case $process in 1/*) ;; *) kill -HUP "${process%/status}" ;; esac
done
"""

# Docker's own list knows fewer; under /sys it has these two.
MASKED_PATHS = (
    *(f"/proc/{name}" for name in (*MASKED_PROC_DIRS, *MASKED_PROC_FILES)),
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A container port on the engine's machine; ``host_port`` None takes any free one."""

    host_address: str
    host_port: int | None

    def binding(self) -> dict[str, str]:
        port = "" if self.host_port is None else str(self.host_port)
        return {"HostIp": self.host_address, "HostPort": port}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """Every decision about one container, before the engine hears of it."""

    spec: ContainerSpec
    image: str
    network: str
    limits: Limits
    labels: Mapping[str, str]
    stdin: bool
    terminal: bool
    publication: Publication | None


def container_config(plan: ContainerPlan) -> dict[str, object]:
    """Everything a container of an app is created with."""
    spec = plan.spec
    host = host_config(plan.limits, network=plan.network)
    config: dict[str, object] = {
        "Image": plan.image,
        "Entrypoint": [BUSYBOX, "sh", "-c", GATE, "slug-run"],
        "Cmd": list(spec.argv),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "User": USER,
        "WorkingDir": "/app",
        "Hostname": dashed(spec.name),
        "Labels": dict(plan.labels),
        "Tty": plan.terminal,
        "OpenStdin": plan.stdin,
        "StdinOnce": plan.stdin,
        "AttachStdin": plan.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": host,
        "NetworkingConfig": {
            "EndpointsConfig": {plan.network: {"Aliases": [spec.name, dashed(spec.name)]}}
        },
    }
    if plan.publication is not None and spec.port is not None:
        name = f"{spec.port}/tcp"
        config["ExposedPorts"] = {name: {}}
        host["PortBindings"] = {name: [plan.publication.binding()]}
    return config


def host_config(limits: Limits, *, network: str) -> dict[str, object]:
    """What the container may see and use (runner/walls.py)."""
    memory = limits.memory or 0
    return {
        "NetworkMode": network,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", "seccomp=" + json.dumps(docker_profile())],
        "MaskedPaths": list(MASKED_PATHS),
        "IpcMode": "private",
        # Own view of the control groups; otherwise paths of the host show through.
        "CgroupnsMode": "private",
        # As much with swap as without: none.
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int((limits.cpus or 0) * 1_000_000_000),
        "PidsLimit": limits.pids or 0,
        "ShmSize": SHM_SIZE,
        "Ulimits": [
            {"Name": "nofile", "Soft": MAX_OPEN_FILES, "Hard": MAX_OPEN_FILES},
            {"Name": "core", "Soft": MAX_CORE_SIZE, "Hard": MAX_CORE_SIZE},
        ],
        # The root file system is the container's own layer, so that /app is private, writable and
        # costs no copy. "ReadonlyRootfs" would take /app along, and a volume there is a copy of
        # 14,000 files. Everything outside belongs to root, and nothing can become root.
        "Tmpfs": {
            "/tmp": f"rw,exec,nosuid,nodev,size={TMP_SIZE},mode=1777",  # noqa: S108
            "/var/tmp": f"rw,exec,nosuid,nodev,size={TMP_SIZE},mode=1777",  # noqa: S108
            "/run": f"rw,nosuid,nodev,size={RUN_SIZE},mode=0755,uid={CONTAINER_UID}",
        },
        # An init reaps what the app leaves behind, and takes the signal meant for process 1.
        "Init": True,
        # Output reaches us through the attached socket; the engine keeps no second copy.
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
    }


def wall_config(*, image: str, container: str, labels: Mapping[str, str]) -> dict[str, object]:
    """The helper that joins a container's network for a moment and refuses the metadata range.

    It runs nothing of the app's, with a clean environment, and leaves nothing on the host.
    """
    return {
        "Image": image,
        "Entrypoint": ["/sbin/ip"],
        "Cmd": ["route", "add", "prohibit", LINK_LOCAL_RANGE],
        "User": "0:0",
        "WorkingDir": "/",
        "Labels": dict(labels),
        "HostConfig": {
            "NetworkMode": f"container:{container}",
            "CapDrop": ["ALL"],
            "CapAdd": ["NET_ADMIN"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "LogConfig": {"Type": "none", "Config": {}},
            "RestartPolicy": {"Name": "no"},
        },
    }


def dashed(name: str) -> str:
    """``web.1`` where dots are not allowed: ``web-1``."""
    return name.replace(".", "-").replace("_", "-").lower()
