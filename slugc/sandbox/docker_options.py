"""How the Docker sandbox starts its container: every option, as the Engine's API takes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from slugc.privileges import run_identity
from slugc.sandbox.base import (
    HOME,
    NetworkPolicy,
    NetworkUnavailableError,
    Problem,
    SandboxKind,
    SandboxRequest,
)
from slugc.sandbox.limits import BuildLimits, machine_memory
from slugc.sandbox.policy import WORK_DIR
from slugc.stack import read_host_stack
from slugc.stacks.recipes import has_recipe

FALLBACK_STACK = "debian-12"
"""Built on where this machine's own distribution has no stack image."""

REAPER = "while :; do sleep 3600 & wait $!; done"

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # Debian, Ubuntu and the image


def wanted_stack(asked: str | None) -> str:
    """The stack to build on: as asked, else this machine's own, else the one there always is."""
    if asked is not None:
        return asked
    own = read_host_stack().id
    return own if has_recipe(own) else FALLBACK_STACK


def network_mode(policy: NetworkPolicy) -> str:
    """The policy in the Engine API's words."""
    match policy:
        case NetworkPolicy.ON:
            return "default"
        case NetworkPolicy.OFF:
            return "none"
        case NetworkPolicy.HOST:
            return "host"
        case NetworkPolicy.ISOLATED:
            problem = Problem(
                what="A container on the Docker Engine's own network reaches this machine's\n"
                "addresses and the other containers on it.",
                fix="Use --network on or --network off, or the embedded sandbox.",
            )
            raise NetworkUnavailableError(SandboxKind.DOCKER, policy, problem)
        case _:
            assert_never(policy)


def build_limits(request: SandboxRequest) -> BuildLimits:
    return request.limits.with_defaults(machine_memory())


def container_config(image: str, stack: str, request: SandboxRequest) -> dict[str, object]:
    """The container all phases of one build run in, in the Engine API's words."""
    user = run_identity()
    work_dir = request.work_dir
    limits = build_limits(request)
    return {
        "Image": image,
        "Entrypoint": ["/bin/sh", "-c", REAPER],
        "Cmd": [],
        # The user who owns the work directory, on the host as well: never root.
        "User": f"{user.uid}:{user.gid}",
        "WorkingDir": str(WORK_DIR),
        "Hostname": "slugc",
        "Labels": {"io.slugkit.sandbox": "build"},
        "HostConfig": {
            "Mounts": [
                # One mount for everything that is linked between; see slugc.sandbox.base.
                {"Type": "bind", "Source": str(work_dir), "Target": str(WORK_DIR)},
                {"Type": "bind", "Source": str(request.home_dir), "Target": str(HOME)},
                *(_read_only(path) for path in exposed_paths(request, stack)),
            ],
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "IpcMode": "private",
            "NetworkMode": network_mode(request.network),
            "Memory": limits.memory,
            "MemorySwap": limits.memory,  # the sum of both: no swap
            "PidsLimit": limits.processes,
            **({} if limits.cpus is None else {"NanoCpus": int(limits.cpus * 1e9)}),
            "LogConfig": {"Type": "none", "Config": {}},
            "RestartPolicy": {"Name": "no"},
        },
    }


def exposed_paths(request: SandboxRequest, stack: str) -> tuple[Path, ...]:
    """What the build may read of this host: whom it trusts, and what the request exposes.

    An interpreter of this host is of use only where the image is the same system.
    """
    is_own = read_host_stack().id == stack
    shown = [path for path in request.exposed if is_own or not holds_interpreters(path)]
    if not any(CERTIFICATES.is_relative_to(path) for path in shown):
        shown.append(CERTIFICATES)
    return tuple(path for path in shown if path.exists())


def make_mount_points(work_dir: Path, shown: Sequence[Path]) -> None:
    """Make the places in the build's /tmp at which something of this host's is shown.

    The Engine would make them too, but as root's, and whoever builds could not clear them away.
    """
    for path in shown:
        if path.is_relative_to(WORK_DIR):
            place = work_dir / path.relative_to(WORK_DIR)
            directory = place if path.is_dir() else place.parent
            directory.mkdir(parents=True, exist_ok=True)
            if not path.is_dir():
                place.touch()


def holds_interpreters(path: Path) -> bool:
    """Whether ``path`` is a Python installation, or a directory of such."""
    return any(path.glob("bin/python3*")) or any(path.glob("*/bin/python3*"))


def _read_only(path: Path) -> dict[str, object]:
    return {"Type": "bind", "Source": str(path), "Target": str(path), "ReadOnly": True}
