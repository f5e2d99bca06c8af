"""The embedded sandbox: bubblewrap, started directly, as a user without rights.

The argument list is the security policy, so it is built by pure functions and golden-tested. The
build sees the host's system directories read-only, one writable work directory, a fresh /tmp and
a private HOME; no other process, no home directory, no capability. The network is the host's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support import command
from buildpack.support.command import Command, CommandFailedError, CommandNotFoundError
from slugc.privileges import drop_prefix, run_identity
from slugc.sandbox.base import (
    HOME,
    Problem,
    SandboxCommand,
    SandboxKind,
    SandboxRequest,
    SandboxUnavailableError,
    StackUnavailableError,
)
from slugc.stack import Stack, read_host_stack

WORK_DIR = PurePosixPath("/tmp/slugc")  # noqa: S108  # inside the sandbox, whose /tmp is its own
"""Always the same, so that a buildpack which writes the build path writes the same bytes."""

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
    "group",
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
    "passwd",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)

# A private mount namespace in which root shows the unprivileged user directories that user could
# not reach by path (below /root, mode 0700), and nothing else of theirs. The area is filled out of
# the way and then moved, so that a source may itself lie below the place it is moved to.
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
exec "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Everything the argument list is made from."""

    work_source: Path
    home_source: Path
    exposed: tuple[tuple[Path, Path], ...]
    """(where the bytes are reachable, where they are seen), read-only"""


def bwrap_argv(walls: Walls, phase: SandboxCommand, *, system: Sequence[str]) -> tuple[str, ...]:
    """The whole policy: bubblewrap's arguments for one phase."""
    exposed = [
        part
        for source, seen in walls.exposed
        for part in ("--ro-bind", os.fspath(source), os.fspath(seen))
    ]
    return (
        "bwrap",
        "--unshare-all",
        "--share-net",  # a build fetches what it needs; see docs/slugc.md
        "--unshare-user",  # named too: --unshare-all only tries, and --disable-userns needs it
        "--disable-userns",  # no namespace inside a namespace: most kernel holes start there
        *("--uid", str(BUILD_UID), "--gid", str(BUILD_UID)),
        *("--cap-drop", "ALL"),
        "--die-with-parent",
        "--new-session",  # no TIOCSTI into the terminal of the person who builds
        *("--hostname", "slugc"),
        *system,
        *("--proc", "/proc"),
        *("--dev", "/dev"),
        *("--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108  # the sandbox's own
        *exposed,
        *("--bind", os.fspath(walls.work_source), str(WORK_DIR)),
        *("--bind", os.fspath(walls.home_source), str(HOME)),
        *("--remount-ro", "/"),
        *("--chdir", str(phase.cwd)),
        "--",
        *phase.argv,
    )


def system_arguments(root: Path = Path("/")) -> tuple[str, ...]:
    """The host's system directories, read-only, merged /usr or not, and the names of /etc."""
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
    return tuple(arguments)


def reveal_prefix(area: Path, sources: Sequence[Path]) -> tuple[str, ...]:
    """What root puts before the drop to show ``sources`` below AREA; they appear as 0, 1, 2..."""
    names = tuple(os.fspath(source) for source in sources)
    unshare = ("unshare", "--mount", "--propagation", "private", "--")
    return (*unshare, "sh", "-c", REVEAL, "sh", os.fspath(area), str(len(names)), *names)


def is_reachable(path: Path, *, uid: int) -> bool:
    """Whether ``uid``, a user with no group of ours, may walk down to ``path`` and read it."""
    for place in (path, *path.parents):
        status = place.stat()
        bits = status.st_mode >> 6 if status.st_uid == uid else status.st_mode
        needed = 0o1 if place.is_dir() else 0o4
        if bits & needed != needed:
            return False
    return True


class EmbeddedSandbox:
    """Bubblewrap around every phase. Entering proves that it works here."""

    kind: ClassVar[SandboxKind] = SandboxKind.EMBEDDED
    work_dir = WORK_DIR
    home = HOME

    def __init__(self, request: SandboxRequest) -> None:
        self.path = request.path
        self._request = request
        self._system = system_arguments()

    def stack(self) -> Stack:
        return read_host_stack()

    def __enter__(self) -> Self:
        found = self.stack().id
        if self._request.stack not in {None, found}:
            raise StackUnavailableError(self.kind, str(self._request.stack), found)
        self._prove()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to undo: each phase took its namespaces with it."""

    def stream(self, phase: SandboxCommand, on_line: Callable[[str], None]) -> None:
        command.stream(self.host_command(phase), on_line)

    def capture(self, phase: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        return command.capture(self.host_command(phase), on_error_line=on_error_line)

    def host_command(self, phase: SandboxCommand) -> Command:
        """``phase`` as this host starts it."""
        prefix, walls = self._placed()
        return Command(
            argv=(*prefix, *drop_prefix(), *bwrap_argv(walls, phase, system=self._system)),
            cwd=Path("/"),
            env=phase.env,
            timeout=phase.timeout,
            title=phase.title,
        )

    def _placed(self) -> tuple[tuple[str, ...], Walls]:
        """Where each source can be reached, and the prefix that makes it so."""
        sources = (self._request.work_dir, *self._request.exposed)
        uid = run_identity().uid
        hidden = [path for path in sources if os.getuid() == 0 and not is_reachable(path, uid=uid)]
        place = {path: path for path in sources} | {
            path: Path(AREA / str(index)) for index, path in enumerate(hidden)
        }
        work = place[self._request.work_dir]
        walls = Walls(
            work_source=work,
            home_source=work / "home",
            exposed=tuple((place[path], path) for path in self._request.exposed),
        )
        if not hidden:
            return (), walls
        # Beside the work directory, where no build can put a link in its place.
        area = self._request.work_dir.parent / "area"
        area.mkdir(exist_ok=True)
        return reveal_prefix(area, hidden), walls

    def _prove(self) -> None:
        problems = missing_tools(self.path)
        if not problems:
            problems = self._attempt()
        if problems:
            raise SandboxUnavailableError(self.kind, problems)

    def _attempt(self) -> tuple[Problem, ...]:
        """One real start, with the very walls the build gets: 7 ms."""
        env = {"PATH": self.path}
        phase = SandboxCommand(argv=("true",), cwd=WORK_DIR, env=env, timeout=10)
        try:
            command.capture(self.host_command(phase))
        except CommandFailedError as err:
            return (explain_refusal("\n".join(err.last_lines)),)
        except CommandNotFoundError as err:
            return (Problem(what=err.brief, fix=err.resolution),)
        return ()


def missing_tools(path: str) -> tuple[Problem, ...]:
    """Programs the sandbox needs that are not on ``path``."""
    packages = {"bwrap": "bubblewrap"}
    if os.getuid() == 0:
        packages |= {"setpriv": "util-linux", "unshare": "util-linux", "mount": "mount"}
    return tuple(
        Problem(
            what=f"the program '{program}' is not installed",
            fix=f"Install it: apt-get install {package}",
        )
        for program, package in packages.items()
        if shutil.which(program, path=path) is None
    )


def explain_refusal(said: str) -> Problem:
    """What bubblewrap or the kernel objects to, in words that lead somewhere."""
    what = f"bubblewrap could not start: {said.strip() or 'it gave no reason'}"
    if "disable-userns" in said:
        return Problem(what=what, fix="Install bubblewrap 0.8 or newer.")
    if "namespace" in said or "uid map" in said or "Operation not permitted" in said:
        return Problem(
            what=what,
            fix=(
                "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1\n"
                "   user.max_user_namespaces=15000, on Ubuntu also\n"
                "   kernel.apparmor_restrict_unprivileged_userns=0; in a container, start it with\n"
                "   --security-opt seccomp=unconfined --security-opt apparmor=unconfined."
            ),
        )
    return Problem(what=what, fix="See docs/slugc.md, section 'Sandboxes'.")
