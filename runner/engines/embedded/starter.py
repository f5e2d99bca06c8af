"""From slug-run's process to the app's first instruction: one chain of programs, each exec'ed.

    sh         (root only) enters the cgroup
    setpriv    (root only) becomes the unprivileged user; everything after is nobody special
    nsenter    enters the app's user namespace and, forking, its PID namespace
    unshare    makes the container's mount and network namespaces
    sh         plugs in the network and, at the same time, mounts the overlay
    bwrap      builds the walls
    bash       lowers the process limits, says "ready", becomes the app's command

A pure function from values to that argument list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildpack.support.cgroups import Cgroup
from buildpack.support.values import value
from runner.engines.base import Limits
from runner.engines.embedded.rootfs import SYSTEM_DIRS, AppTree
from runner.walls import MAX_CORE_SIZE, MAX_OPEN_FILES

READY = b"\0"

_ENTER_CGROUP = """\
while [ "$1" != -- ]; do echo 0 >"$1" || exit 1; shift; done; shift; exec "$@"
"""

# Process 1 is the app network's holder. What is mounted here below a directory of programs, while
# the container runs, would be in it too, and not read-only: so those are made copies of their own.
_BUILD = f"""\
{{
  ip -batch - <<END && nsenter --target 1 --net ip link set "$2" master br0 up
$1
END
}} &
plug=$!
for dir in {" ".join(f"/{name}" for name in SYSTEM_DIRS)}; do
  [ -L "$dir" ] || [ ! -d "$dir" ] || mount --rbind --make-rprivate "$dir" "$dir" || exit 1
done
if [ -n "$3" ]; then
  mount -t tmpfs -o "size=$3,mode=0755" tmpfs "$4" &&
    mkdir "$4/upper" "$4/work" "$4/app" || exit 1
fi
mount -t overlay -o "$5" overlay "$6" || exit 1
wait "$plug" || exit 1
cd / && shift 6 && exec "$@"
"""

# bash, because its redirections take descriptors above nine; -p, so that BASH_ENV and functions
# among the config vars are not read here.
_BEGIN = """\
ready=$1 errors=$2
eval "$3" || exit 1
printf '\\0' >&"$ready" || exit 1
exec 2>&"$errors" {ready}>&- {errors}>&-
shift 3
exec "$@"
"""


# The same for a container that outlives who starts it: that one writes down what it has started,
# then says so. Should it be killed before, nobody knows of this container, and it ends here.
_BEGIN_WHEN_TOLD = """\
ready=$1 errors=$2 told=$4
eval "$3" || exit 1
printf '\\0' >&"$ready" || exit 1
read -r -n 1 -u "$told" || exit 1
exec 2>&"$errors" {ready}>&- {errors}>&- {told}<&-
shift 4
exec "$@"
"""


@value
class Plug:
    """How the container joins the app's network."""

    holder: int
    port: str
    commands: str


@value
class Start:
    """Everything the chain is made from."""

    drop: tuple[str, ...]
    cgroup: Cgroup | None
    plug: Plug
    tree: AppTree
    memory_upper: int | None
    """size of a memory file system for the upper directory, where the disk cannot hold one"""
    args_fd: int
    ready_fd: int
    stderr_fd: int
    process_limits: str
    has_terminal: bool
    argv: Sequence[str]
    told_fd: int | None = None
    """Where the container waits for a word before its command begins."""


def start_argv(start: Start) -> tuple[str, ...]:
    """The whole chain."""
    return (
        *_enter_cgroup(start.cgroup),
        *start.drop,
        *_enter_app(start.plug.holder),
        # bubblewrap looks itself up in /proc, which has to be that of its PID namespace. It stays
        # in a copy of this machine's mounts: as a slave, or what is unmounted here stays in use.
        *("unshare", "--mount", "--mount-proc", "--net", "--propagation", "slave", "--"),
        *("sh", "-c", _BUILD, "slugkit-build"),
        *_build_parameters(start),
        *("bwrap", "--args", str(start.args_fd), "--"),
        *_begin(start),
        # The terminal becomes the one that Ctrl-C and job control act through.
        *(("/usr/bin/setsid", "--ctty") if start.has_terminal else ()),
        *start.argv,
    )


def _begin(start: Start) -> tuple[str, ...]:
    script = _BEGIN if start.told_fd is None else _BEGIN_WHEN_TOLD
    return (
        *("/bin/bash", "-p", "-c", script, "slugkit-begin"),
        *(str(start.ready_fd), str(start.stderr_fd), start.process_limits),
        *(() if start.told_fd is None else (str(start.told_fd),)),
    )


def _enter_cgroup(cgroup: Cgroup | None) -> tuple[str, ...]:
    if cgroup is None:
        return ()
    files = tuple(str(path) for path in cgroup.entrances)
    return ("sh", "-c", _ENTER_CGROUP, "slugkit-limits", *files, "--")


def _enter_app(holder: int) -> tuple[str, ...]:
    return (
        "nsenter",
        f"--user=/proc/{holder}/ns/user",
        # Where the kernel ends us all when slug-run is gone: see network.py.
        f"--pid=/proc/{holder}/ns/pid_for_children",
        "--preserve-credentials",
        "--",
    )


def _build_parameters(start: Start) -> tuple[str, ...]:
    tree = start.tree
    return (
        start.plug.commands,
        start.plug.port,
        "" if start.memory_upper is None else str(start.memory_upper),
        str(Path(tree.base, tree.upper).parent),
        tree.options,
        str(tree.target),
    )


# Who may go above a quota is the first to go when the machine itself has no memory left. It cannot
# be made less than it was, and need not be then.
_DIE_FIRST = "{ echo 300 2>/dev/null >/proc/self/oom_score_adj || :; }"


def process_limits(limits: Limits, *, is_soft: bool, hard_files: int) -> str:
    """ulimit lines. Without cgroups they stand in: per process, so soft, but they are something.

    Memory as RLIMIT_DATA, not RLIMIT_AS: address space that is only reserved is not used.
    """
    lines = [f"ulimit -c {MAX_CORE_SIZE}", f"ulimit -n {min(hard_files, MAX_OPEN_FILES)}"]
    if is_soft and limits.memory is not None:
        lines.append(f"ulimit -d {limits.memory // 1024}")
    if is_soft and limits.pids is not None:
        lines.append(f"ulimit -u {limits.pids}")
    if limits.quota is not None:
        lines.append(_DIE_FIRST)
    return " && ".join(lines)
