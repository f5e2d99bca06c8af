"""The embedded sandbox: bubblewrap, started directly, as a user without rights.

Its argument list is in policy.py. The build sees the host's system directories read-only, one
writable work directory, a fresh /tmp and a private HOME; no other process, no home directory, no
capability. The network is the host's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support import command, seccomp
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
from slugc.sandbox.policy import (
    AREA,
    USERS,
    WORK_DIR,
    Walls,
    bwrap_argv,
    reveal_prefix,
    system_arguments,
)
from slugc.stack import Stack, read_host_stack


def is_reachable(path: Path, *, uid: int) -> bool:
    """Whether ``uid``, whose one group has the same number, may walk to ``path`` and read it."""
    for place in (path, *path.parents):
        status = place.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == uid else 0
        bits = status.st_mode >> shift
        needed = 0o1 if place.is_dir() else 0o4
        if bits & needed != needed:
            return False
    return True


class EmbeddedSandbox:
    """Bubblewrap around every phase. Entering proves that it works here."""

    kind: ClassVar[SandboxKind] = SandboxKind.EMBEDDED
    side_by_side: ClassVar[bool] = True
    work_dir = WORK_DIR
    home = HOME

    def __init__(self, request: SandboxRequest) -> None:
        self.path = request.path
        self._request = request
        self._system = system_arguments()
        self._users: dict[str, int] = {}
        self._filter = -1

    def stack(self) -> Stack:
        return read_host_stack()

    def __enter__(self) -> Self:
        found = self.stack().id
        if self._request.stack not in {None, found}:
            raise StackUnavailableError(self.kind, str(self._request.stack), found)
        try:
            self._filter = _in_memory(seccomp.filter_program())
        except seccomp.SeccompError as err:
            problem = Problem(what=err.brief, fix=err.resolution)
            raise SandboxUnavailableError(self.kind, (problem,)) from err
        self._users = {seen: _in_memory(text.encode()) for seen, text in USERS.items()}
        try:
            self._prove()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Each phase took its namespaces with it."""
        self._close()

    def _close(self) -> None:
        for descriptor in (self._filter, *self._users.values()):
            if descriptor >= 0:
                os.close(descriptor)
        self._users, self._filter = {}, -1

    def stream(self, phase: SandboxCommand, on_line: Callable[[str], None]) -> None:
        with self.host_command(phase) as started:
            command.stream(started, on_line)

    def capture(self, phase: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        with self.host_command(phase) as started:
            return command.capture(started, on_error_line=on_error_line)

    @contextlib.contextmanager
    def host_command(self, phase: SandboxCommand) -> Iterator[Command]:
        """``phase`` as this host starts it, for as long as it runs."""
        with contextlib.ExitStack() as lent:
            written = {seen: _reopened(held, lent) for seen, held in self._users.items()}
            prefix, walls = self._placed(written, _reopened(self._filter, lent))
            yield Command(
                argv=(*prefix, *drop_prefix(), *bwrap_argv(walls, phase, system=self._system)),
                cwd=Path("/"),
                env=phase.env,
                timeout=phase.timeout,
                title=phase.title,
                pass_fds=tuple(held for held in (walls.filter, *written.values()) if held >= 0),
            )

    def _placed(
        self, written: Mapping[str, int], seccomp_filter: int
    ) -> tuple[tuple[str, ...], Walls]:
        """Where each source can be reached, and the prefix that makes it so."""
        request = self._request
        sources = (request.work_dir, request.home_dir, *request.exposed)
        uid = run_identity().uid
        hidden = [path for path in sources if os.getuid() == 0 and not is_reachable(path, uid=uid)]
        place = {path: path for path in sources} | {
            path: Path(AREA / str(index)) for index, path in enumerate(hidden)
        }
        walls = Walls(
            work_source=place[request.work_dir],
            home_source=place[request.home_dir],
            exposed=tuple((place[path], path) for path in request.exposed),
            written=tuple((descriptor, seen) for seen, descriptor in written.items()),
            filter=seccomp_filter,
        )
        if not hidden:
            return (), walls
        # Beside the work directory, where no build can put a link in its place.
        area = request.work_dir.parent / "area"
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
            self.capture(phase, lambda _line: None)
        except CommandFailedError as err:
            return (explain_refusal("\n".join(err.last_lines)),)
        except CommandNotFoundError as err:
            return (Problem(what=err.brief, fix=err.resolution),)
        return ()


def _in_memory(content: bytes) -> int:
    """An open file that holds ``content`` and has no name anybody could reach it by."""
    descriptor = os.memfd_create("slugc", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    return descriptor


def _reopened(descriptor: int, lent: contextlib.ExitStack) -> int:
    """The same file, to be read from its beginning by one phase, whoever else reads it now."""
    if descriptor < 0:
        return descriptor  # not entered: shown, never started
    own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    lent.callback(os.close, own)
    return own


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
