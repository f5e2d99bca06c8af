"""The argument list for bubblewrap. bubblewrap has no policy of its own: this list is ours.

A pure function from values to arguments, golden-tested. The list goes to bubblewrap through a
file descriptor (--args), because it holds the environment, and command lines are public.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from runner.engines.embedded.rootfs import SystemDir
from runner.walls import (
    CONTAINER_GID,
    CONTAINER_UID,
    MASKED_PROC_DIRS,
    MASKED_PROC_FILES,
    RUN_SIZE,
    SHM_SIZE,
    TMP_SIZE,
)


class EnvironmentValueError(SlugkitError):
    """A config var cannot be handed to a process: names and values end at a NUL."""

    exit_code = ExitCode.DATA
    id = "environment-value"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The config var {name!r} cannot be set",
            details="It holds a NUL character, or its name is empty or holds '='.",
            resolution="Encode the value, for example as base64, and decode it in the app.",
        )


@value
class Walls:
    """What all containers of a run share, found out once."""

    system_dirs: tuple[SystemDir, ...]
    etc: Path
    etc_dirs: tuple[str, ...]
    masked_files: tuple[str, ...]
    masked_dirs: tuple[str, ...]


@value
class Sandbox:
    """What is one container's own."""

    hostname: str
    app: Path
    env: Mapping[str, str]
    cgroup_view: tuple[tuple[Path, PurePosixPath], ...]
    has_terminal: bool
    seccomp_fd: int
    quota: tuple[int, PurePosixPath] | None = None
    """a descriptor with the text that programs read there as their memory limit"""
    status_fd: int | None = None
    """Where bubblewrap writes how it ended, for who is not its parent: then the container outlives
    who started it, and only the lifeline ends it (network.py)."""


def masked_in(proc: Path = Path("/proc")) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which of the entries to mask need it here.

    Not the missing ones: binding over one aborts the start. Nor what only root may open: to the
    kernel no process of ours is root, and each mount costs a start a third of a millisecond.
    """
    files = tuple(name for name in MASKED_PROC_FILES if _is_open_to_all(proc / name))
    return files, tuple(name for name in MASKED_PROC_DIRS if (proc / name).is_dir())


def _is_open_to_all(path: Path) -> bool:
    return path.is_file() and path.stat().st_mode & 0o006 != 0


def arguments(walls: Walls, sandbox: Sandbox) -> tuple[str, ...]:
    """Everything for --args, in the order bubblewrap carries it out."""
    return (
        *_namespaces(sandbox),
        *_identity(),
        *_system(walls),
        *_kernel_views(walls, sandbox),
        *_writable(sandbox),
        *_environment(sandbox.env),
        *("--seccomp", str(sandbox.seccomp_fd)),
        *("--chdir", "/app"),
    )


def _namespaces(sandbox: Sandbox) -> tuple[str, ...]:
    return (
        # Not --unshare-net: the network namespace was made one step earlier, and belongs to the
        # app's outer user namespace, so nothing in the container can own it.
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-uts",
        "--unshare-cgroup",
        "--disable-userns",
        *("--hostname", sandbox.hostname),
        *_bond(sandbox.status_fd),
        # Without a session of its own a process could type into the terminal it came from. With
        # a terminal, it is a private one, and the container's own session takes it over.
        *(() if sandbox.has_terminal else ("--new-session",)),
    )


def _bond(status_fd: int | None) -> tuple[str, ...]:
    if status_fd is None:
        return ("--die-with-parent",)
    return ("--json-status-fd", str(status_fd))


def _identity() -> tuple[str, ...]:
    return ("--uid", str(CONTAINER_UID), "--gid", str(CONTAINER_GID), "--cap-drop", "ALL")


def _system(walls: Walls) -> tuple[str, ...]:
    found: list[str] = []
    for entry in walls.system_dirs:
        path = str(entry.path)
        found += (
            ("--ro-bind", path, path) if entry.link is None else ("--symlink", entry.link, path)
        )
    found += ("--ro-bind", str(walls.etc), "/etc")
    for name in walls.etc_dirs:
        found += ("--ro-bind", f"/etc/{name}", f"/etc/{name}")
    return tuple(found)


def _kernel_views(walls: Walls, sandbox: Sandbox) -> tuple[str, ...]:
    found = ["--proc", "/proc", "--dev", "/dev"]
    found += ("--size", str(SHM_SIZE), "--perms", "1777", "--tmpfs", "/dev/shm")  # noqa: S108
    found += ("--remount-ro", "/dev")  # the directory; writing to a device is not writing to it
    for name in walls.masked_files:
        found += ("--ro-bind", "/dev/null", f"/proc/{name}")
    for name in walls.masked_dirs:
        found += ("--size", "4096", "--perms", "0555", "--tmpfs", f"/proc/{name}")
        found += ("--remount-ro", f"/proc/{name}")
    for path in ("/sys", "/sys/fs", "/sys/fs/cgroup") if sandbox.cgroup_view else ():
        found += ("--perms", "0755", "--dir", path)
    for source, inside in sandbox.cgroup_view:
        found += ("--ro-bind", str(source), str(inside))
    if sandbox.quota is not None:
        text, file = sandbox.quota
        found += ("--perms", "0444", "--ro-bind-data", str(text), str(file))
    return tuple(found)


def _writable(sandbox: Sandbox) -> tuple[str, ...]:
    found: list[str] = []
    found += ("--perms", "0755", "--dir", "/var")
    for path, size in (("/tmp", TMP_SIZE), ("/var/tmp", TMP_SIZE)):  # noqa: S108  # inside
        found += ("--size", str(size), "--perms", "1777", "--tmpfs", path)
    found += ("--size", str(RUN_SIZE), "--perms", "0755", "--tmpfs", "/run")
    found += ("--symlink", "/run", "/var/run")
    found += ("--bind", str(sandbox.app), "/app")
    # The root itself is a memory file system without a size: nobody fills it.
    return (*found, "--remount-ro", "/")


def _environment(env: Mapping[str, str]) -> tuple[str, ...]:
    found = ["--clearenv"]
    for name, text in sorted(env.items()):
        if not name or "=" in name or "\0" in name or "\0" in text:
            raise EnvironmentValueError(name)
        found += ("--setenv", name, text)
    return tuple(found)
