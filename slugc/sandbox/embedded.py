"""The embedded sandbox: bubblewrap, started directly, as a user without rights.

Its argument list is in policy.py. The build sees the host's system directories read-only, one
writable work directory, a fresh /tmp and a private HOME; no other process, no home directory, no
capability. The network is the host's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support import seccomp
from buildpack.support.command import Command, CommandFailedError
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
    require_visible,
    reveal_prefix,
    system_arguments,
)
from slugc.sandbox.waiting import SHELL, WaitingSandbox
from slugc.stack import Stack, read_host_stack

_AHEAD = 2  # sandboxes put up before they are needed: bin/release and bin/report run together


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
        self._waiting: deque[WaitingSandbox] = deque()
        self._expected = 0
        # A sandbox ends with the thread that started it (PR_SET_PDEATHSIG in prctl(2)).
        self._thread = threading.get_ident()

    def stack(self) -> Stack:
        return read_host_stack()

    def begin(self) -> None:
        found = self.stack().id
        if self._request.stack not in {None, found}:
            raise StackUnavailableError(self.kind, str(self._request.stack), found)
        require_visible(self._request.exposed)
        try:
            self._filter = _in_memory(seccomp.filter_program())
        except seccomp.SeccompError as err:
            problem = Problem(what=err.brief, fix=err.resolution)
            raise SandboxUnavailableError(self.kind, (problem,)) from err
        self._users = {seen: _in_memory(text.encode()) for seen, text in USERS.items()}
        if problems := missing_tools(self.path):
            raise SandboxUnavailableError(self.kind, problems)
        self._waiting.append(self._start())

    def __enter__(self) -> Self:
        try:
            if self._filter < 0:
                self.begin()
            self._prove()
        except BaseException:  # also Ctrl-C: nobody calls __exit__ of what was not entered
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Each phase took its namespaces with it; those nobody needed are taken down."""
        self._close()

    def _close(self) -> None:
        while self._waiting:
            self._waiting.pop().end()
        for descriptor in (self._filter, *self._users.values()):
            if descriptor >= 0:
                os.close(descriptor)
        self._users, self._filter = {}, -1

    def expect(self, phases: int) -> None:
        self._expected += phases

    def stream(self, phase: SandboxCommand, on_line: Callable[[str], None]) -> None:
        with self._ordered(phase, joined=True) as ordered:
            ordered.stream(on_line)

    def capture(self, phase: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        with self._ordered(phase, joined=False) as ordered:
            return ordered.capture(on_error_line)

    @contextlib.contextmanager
    def _ordered(self, phase: SandboxCommand, *, joined: bool) -> Iterator[WaitingSandbox]:
        """A sandbox that has been told to run ``phase``; the next are put up while it does."""
        try:
            taken = self._waiting.popleft()
        except IndexError:
            taken = self._start()
        try:
            taken.require()
            taken.order(phase, joined=joined)
            self._get_ready()
            yield taken
        finally:
            taken.end()

    def _get_ready(self) -> None:
        if threading.get_ident() != self._thread:
            return
        while self._expected > 0 and len(self._waiting) < _AHEAD:
            self._waiting.append(self._start())

    def _start(self) -> WaitingSandbox:
        self._expected -= 1
        with self.walls_command() as walls:
            return WaitingSandbox(walls)

    @contextlib.contextmanager
    def walls_command(self) -> Iterator[Command]:
        """What this host starts to put up one sandbox; open files are lent until it is started."""
        with contextlib.ExitStack() as lent:
            written = {seen: _reopened(held, lent) for seen, held in self._users.items()}
            prefix, walls = self._placed(written, _reopened(self._filter, lent))
            yield Command(
                argv=(*prefix, *drop_prefix(), *bwrap_argv(walls, SHELL, system=self._system)),
                cwd=Path("/"),
                env={"PATH": self.path},
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
        """One real start, with the very walls the build gets: it waits for the first phase."""
        try:
            self._waiting[0].require()
        except CommandFailedError as err:
            problem = explain_refusal("\n".join(err.last_lines))
            raise SandboxUnavailableError(self.kind, (problem,)) from err


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
