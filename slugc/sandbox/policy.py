"""The embedded sandbox's security policy: bubblewrap's argument list, made by pure functions.

bubblewrap calls itself "not a complete, ready-made sandbox with a specific security policy": the
arguments are the policy, and a golden test holds them still.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.values import value
from slugc.build_space import FRESH, KEPT
from slugc.privileges import run_identity
from slugc.sandbox.apt import apt_paths
from slugc.sandbox.base import HOME

WORK_DIR = PurePosixPath("/tmp")  # noqa: S108  # inside the sandbox, whose /tmp is its own
"""A build dir is /tmp/build_... on Heroku; what it is to share links with must be on its mount."""

BUILD_UID = 1000  # what the build sees itself as; outside it is run_identity()

# What programs look up in /etc: names, certificates, the linker's cache, time zone, alternatives.
# Not the whole of it: a build has no business with the host's keys and service configuration.
ETC_NAMES = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "default/locale",
    "fonts",
    "gai.conf",
    "host.conf",
    "hosts",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "lsb-release",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)

# The build's own user database: its one user has a name and a home, and the host's users none.
USERS = {
    "/etc/passwd": f"app:x:{BUILD_UID}:{BUILD_UID}:app:{HOME}:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": f"app:x:{BUILD_UID}:\nnogroup:x:65534:\n",
}

# A private mount namespace in which root shows the unprivileged user directories that user could
# not reach by path (below /root, mode 0700), and nothing else of theirs. The area is filled out of
# the way and then moved, so that a source may itself lie below the place it is moved to. What is
# mounted on this machine among its programs during a build would be there too, and not read-only:
# their directories are made copies of their own.
AREA = PurePosixPath("/mnt")
REVEAL = """\
set -e
area=$1 count=$2; shift 2
mount -t tmpfs -o mode=0755,size=1m,nosuid,nodev tmpfs "$area"
index=0
while [ "$index" -lt "$count" ]; do
  if [ -d "$1" ]; then mkdir "$area/$index"; else : >"$area/$index"; fi
  mount --bind "$1" "$area/$index"
  shift; index=$((index + 1))
done
mount --move "$area" /mnt
for dir in /usr /bin /sbin /lib /lib32 /lib64 /libx32; do
  [ -L "$dir" ] || [ ! -d "$dir" ] || mount --rbind --make-rprivate "$dir" "$dir"
done
exec "$@"
"""


VAR_TMP_SIZE = 256 * 1024 * 1024  # as in containers; a build's large files lie in /tmp, on disk
COVER_SIZE = 1024 * 1024  # of a directory that holds nothing but mount points


class HiddenPathError(SlugkitError):
    """A setting names a directory of this host that has another meaning inside a build."""

    exit_code = ExitCode.NO_INPUT
    id = "hidden-path"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{printable_path(path)} cannot be shown to the build",
            details="A setting of yours names it (an index, certificates, a directory of wheels),\n"
            "but a build has a /tmp of its own with something else at that place.",
            resolution="Move it, or name it through another path.",
        )


@value
class Walls:
    """Everything the argument list is made from."""

    work_source: Path
    home_source: Path
    exposed: tuple[tuple[Path, Path], ...]
    """(where the bytes are reachable, where they are seen), read-only"""
    written: tuple[tuple[int, str], ...] = ()
    """(open file, where its content is seen), read-only"""
    filter: int = -1
    """open file that holds the system call filter"""
    has_network: bool = True
    """that of whoever starts bubblewrap; else one of its own with nothing but loopback"""


def bwrap_argv(walls: Walls, program: Sequence[str], *, system: Sequence[str]) -> tuple[str, ...]:
    """The whole policy: bubblewrap's arguments for one phase, which ``program`` begins."""
    exposed = [
        part
        for source, seen in walls.exposed
        for part in ("--ro-bind", os.fspath(source), os.fspath(seen))
    ]
    covers = [
        part
        for place in covered_in_tmp(tuple(seen for _, seen in walls.exposed))
        for part in ("--perms", "0755", "--size", str(COVER_SIZE), "--tmpfs", str(place))
    ]
    written = [
        part
        for descriptor, seen in walls.written
        for part in ("--ro-bind-data", str(descriptor), seen)
    ]
    return (
        "bwrap",
        "--unshare-all",
        *(("--share-net",) if walls.has_network else ()),
        "--unshare-user",  # named too: --unshare-all only tries, and --disable-userns needs it
        "--disable-userns",  # no namespace inside a namespace: most kernel holes start there
        *("--uid", str(BUILD_UID), "--gid", str(BUILD_UID)),
        *("--cap-drop", "ALL"),
        # Among what it refuses: the keys of whoever builds (keyctl), and the kernel's youngest and
        # most broken doors (io_uring, userfaultfd, vsock).
        *("--seccomp", str(walls.filter)),
        "--die-with-parent",
        "--new-session",  # no TIOCSTI into the terminal of the person who builds
        *("--hostname", "slugc"),
        *system,
        *written,
        *("--proc", "/proc"),
        *("--dev", "/dev"),
        # Not a link to /tmp, nor a directory there: what is exposed may lie below it.
        *("--perms", "1777", "--size", str(VAR_TMP_SIZE), "--tmpfs", "/var/tmp"),  # noqa: S108
        *("--bind", os.fspath(walls.work_source), str(WORK_DIR)),
        *covers,
        *exposed,
        *("--bind", os.fspath(walls.home_source), str(HOME)),
        *("--remount-ro", "/"),
        *("--chdir", str(WORK_DIR)),
        "--",
        *program,
    )


def covered_in_tmp(exposed: Sequence[Path]) -> tuple[PurePosixPath, ...]:
    """The directories of the build's /tmp in which something of this host's /tmp is shown.

    Each becomes a mount of its own, so that no build code can rename it and have the next phase's
    walls put up where a link leads: what a build can rename, nothing is mounted in.
    """
    deeper = [path for path in exposed if path.is_relative_to(WORK_DIR) and len(path.parts) > 3]
    return tuple(dict.fromkeys(PurePosixPath(*path.parts[:3]) for path in deeper))


def require_visible(exposed: Sequence[Path]) -> None:
    """Raise HiddenPathError for what cannot be shown beside what a build has in its own /tmp."""
    for path in exposed:
        place = PurePosixPath(path)
        is_above = WORK_DIR.is_relative_to(place)
        if is_above or (place.is_relative_to(WORK_DIR) and place.parts[2] in {*FRESH, *KEPT}):
            raise HiddenPathError(path)


RESOLVER = "/etc/resolv.conf"


def without_resolver(system: Sequence[str]) -> tuple[str, ...]:
    """``system_arguments`` for a build with a network, and so a name server, of its own."""
    if RESOLVER not in system:
        return tuple(system)
    at = list(system).index(RESOLVER)
    return (*system[: at - 2], *system[at + 1 :])


def system_arguments(root: Path = Path("/"), *, uid: int | None = None) -> tuple[str, ...]:
    """The host's system directories, read-only, merged /usr or not, and the names of /etc; all
    that ``uid`` may read, who runs builds."""
    arguments = ["--ro-bind", os.fspath(root / "usr"), "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = root / name
        if path.is_symlink():
            arguments += ["--symlink", os.fspath(path.readlink()), f"/{name}"]
        elif path.is_dir():
            arguments += ["--ro-bind", os.fspath(path), f"/{name}"]
    arguments += ["--perms", "0755", "--dir", "/etc"]
    for name in ETC_NAMES:
        path = root / "etc" / name
        if path.exists():
            # Resolved, because a link may point to a place that is not in the sandbox: resolv.conf
            # into /run, localtime and os-release into /usr.
            arguments += ["--ro-bind", os.fspath(path.resolve()), f"/etc/{name}"]
    for path in apt_paths(root, uid=run_identity().uid if uid is None else uid):
        arguments += ["--ro-bind", os.fspath(path.resolve()), f"/{path.relative_to(root)}"]
    if (root / "etc/apt").is_dir():  # else apt-get warns of each, in every call
        arguments += ["--dir", "/etc/apt/apt.conf.d", "--dir", "/etc/apt/preferences.d"]
    return tuple(arguments)


def reveal_prefix(area: Path, sources: Sequence[Path]) -> tuple[str, ...]:
    """What root puts before the drop to show ``sources`` below AREA; they appear as 0, 1, 2..."""
    names = tuple(os.fspath(source) for source in sources)
    # As a slave of this machine's mounts: else what is unmounted there stays in use.
    unshare = ("unshare", "--mount", "--propagation", "slave", "--")
    return (*unshare, "sh", "-c", REVEAL, "sh", os.fspath(area), str(len(names)), *names)


def revealed_prefix(namespace: int) -> tuple[str, ...]:
    """The same for a later sandbox, where a first one has done it: six programs less.

    ``namespace`` is an open file of ours and stays that: none of these programs is handed it.
    """
    return ("nsenter", f"--mount=/proc/{os.getpid()}/fd/{namespace}", "--")
