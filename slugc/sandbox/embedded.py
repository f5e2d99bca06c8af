"""The embedded sandbox: bubblewrap, started directly, as a user without rights.

Its argument list is in policy.py. The build sees the host's system directories read-only, one
writable work directory, a fresh /tmp and a private HOME; no other process, no home directory, no
capability. Its network is its own (network.py), and how much it uses is limited (limits.py).
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
from buildpack.support.command import Command, CommandFailedError, CommandNotFoundError
from slugc.privileges import drop_prefix, run_identity
from slugc.sandbox.base import (
    HOME,
    NetworkPolicy,
    NetworkUnavailableError,
    Problem,
    SandboxCommand,
    SandboxKind,
    SandboxRequest,
    SandboxUnavailableError,
    StackUnavailableError,
)
from slugc.sandbox.build_group import BuildGroup, make_group
from slugc.sandbox.disk_watch import DiskWatch, default_limit
from slugc.sandbox.limits import disk_reached, soft_limits, soft_prefix
from slugc.sandbox.network import (
    BuildNetwork,
    NetworkSetupError,
    network_problem,
    read_resolver,
)
from slugc.sandbox.policy import (
    AREA,
    RESOLVER,
    USERS,
    WORK_DIR,
    Walls,
    bwrap_argv,
    require_visible,
    reveal_prefix,
    system_arguments,
    without_resolver,
)
from slugc.sandbox.waiting import SHELL, WaitingSandbox
from slugc.stack import Stack, read_host_stack

OTHER_NETWORKS = (
    "Or let the build use this machine's network, its loopback included, if you trust\n"
    "the buildpack and the app's dependencies: --network host\n"
    "Or build without any: --network off"
)
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
        self._running: set[WaitingSandbox] = set()
        self._network: BuildNetwork | None = None
        self._why_shared = ""
        self._group: BuildGroup | None = None
        self._disk: DiskWatch | None = None
        self._expected = 0
        # A sandbox ends with the thread that started it (PR_SET_PDEATHSIG in prctl(2)).
        self._thread = threading.get_ident()

    def stack(self) -> Stack:
        return read_host_stack()

    @property
    def network(self) -> str:
        if self._why_shared:
            return f"the host's, because {self._why_shared}"
        policy = self._request.network
        return str(policy) if policy in {NetworkPolicy.OFF, NetworkPolicy.HOST} else ""

    @property
    def notices(self) -> tuple[str, ...]:
        said = soft_limits(self._request.limits, has_group=self._group is not None)
        return (said,) if said else ()

    def begin(self) -> None:
        found = self.stack().id
        if self._request.stack not in {None, found}:
            raise StackUnavailableError(self.kind, str(self._request.stack), found)
        require_visible(self._request.exposed)
        self._begin_network()  # first: it takes the longest
        self._group = make_group(self._request.limits)
        try:
            self._filter = _in_memory(seccomp.filter_program())
        except seccomp.SeccompError as err:
            problem = Problem(what=err.brief, fix=err.resolution)
            raise SandboxUnavailableError(self.kind, (problem,)) from err
        self._users = {seen: _in_memory(text.encode()) for seen, text in USERS.items()}
        if problems := missing_tools(self.path):
            raise SandboxUnavailableError(self.kind, problems)
        self._put_up_first()

    def _begin_network(self) -> None:
        """A network of the build's own, where that is wanted and can be had."""
        if self._request.network not in {NetworkPolicy.ON, NetworkPolicy.ISOLATED}:
            return
        if problem := network_problem(self.path):
            self._share_network(problem)
            return
        try:
            self._network = BuildNetwork(self._request.settings, path=self.path)
        except CommandNotFoundError as err:
            self._share_network(Problem(what=err.brief, fix=err.resolution))

    def _share_network(self, problem: Problem) -> None:
        """Take the host's network instead, unless another was asked for by name."""
        if self._request.network is NetworkPolicy.ISOLATED:
            raise NetworkUnavailableError(
                self.kind,
                self._request.network,
                Problem(what=problem.what, fix=f"{problem.fix}\n\n{OTHER_NETWORKS}"),
            )
        self._why_shared = problem.what
        if self._network is not None:
            self._network.close()
            self._network = None

    def _put_up_first(self) -> None:
        if self._network is not None:
            try:
                self._network.begin()
            except NetworkSetupError as err:
                self._share_network(explain_network(err))
        if self._network is not None:
            resolver = read_resolver(self._network.nameserver)
            self._users[RESOLVER] = _in_memory(resolver.encode())
            self._system = without_resolver(self._system)
        self._waiting.append(self._start())

    def __enter__(self) -> Self:
        try:
            if self._filter < 0:
                self.begin()
            self._await_network()
            self._prove()
            self._watch_disk()
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
        if self._disk is not None:
            self._disk.stop()
        self._take_down()
        if self._network is not None:
            self._network.close()
            self._network = None
        if self._group is not None:
            self._group.remove()
            self._group = None
        for descriptor in (self._filter, *self._users.values()):
            if descriptor >= 0:
                os.close(descriptor)
        self._users, self._filter = {}, -1

    def _take_down(self) -> None:
        while self._waiting:
            self._waiting.pop().end()

    def _await_network(self) -> None:
        """What was put up in a network that turned out to lead nowhere is put up again."""
        if self._network is None:
            return
        try:
            self._network.await_way_out()
        except NetworkSetupError as err:
            self._take_down()
            self._share_network(explain_network(err))
            os.close(self._users.pop(RESOLVER))
            self._system = system_arguments()
            self._waiting.append(self._start())

    def _watch_disk(self) -> None:
        work_dir = self._request.work_dir
        self._disk_limit = self._request.limits.disk or default_limit(work_dir)
        self._disk = DiskWatch(work_dir, self._disk_limit, self._kill_running)

    def _kill_running(self) -> None:
        for each in tuple(self._running):
            each.kill()

    def expect(self, phases: int) -> None:
        self._expected += phases

    def stream(self, phase: SandboxCommand, on_line: Callable[[str], None]) -> None:
        with self._ordered(phase, joined=True) as ordered, self._explained(phase, shown=True):
            ordered.stream(on_line)

    def capture(self, phase: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        with self._ordered(phase, joined=False) as ordered, self._explained(phase, shown=False):
            return ordered.capture(on_error_line)

    @contextlib.contextmanager
    def _explained(self, phase: SandboxCommand, *, shown: bool) -> Iterator[None]:
        """A failure that comes from a limit, told by that limit's name and its flag."""
        before = self._group.counts() if self._group else None
        try:
            yield
        except CommandFailedError as err:
            title = phase.title or err.command.shown
            if self._disk is not None and self._disk.is_reached:
                raise disk_reached(title, self._disk_limit) from err
            said = "" if shown else "\n".join(err.last_lines)
            if self._group and before and (why := self._group.reached(before, title, said)):
                raise why from err
            raise

    @contextlib.contextmanager
    def _ordered(self, phase: SandboxCommand, *, joined: bool) -> Iterator[WaitingSandbox]:
        """A sandbox that has been told to run ``phase``; the next are put up while it does."""
        try:
            taken = self._waiting.popleft()
        except IndexError:
            taken = self._start()
        try:
            taken.require()
            soft = () if self._group else soft_prefix(self._request.limits)
            taken.order(phase, joined=joined, prefix=soft)
            self._running.add(taken)
            self._get_ready()
            yield taken
        finally:
            self._running.discard(taken)
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
            limited = self._group.prefix if self._group else ()
            inside = self._network.prefix if self._network else ()
            bwrap = bwrap_argv(walls, SHELL, system=self._system)
            yield Command(
                argv=(*limited, *prefix, *drop_prefix(), *inside, *bwrap),
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
            has_network=request.network is not NetworkPolicy.OFF,
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


def explain_network(error: NetworkSetupError) -> Problem:
    """Why there is no network of the build's own, in words that lead somewhere."""
    said = " ".join(error.said.split()) or "it gave no reason"
    return Problem(
        what=f"{error.step} could not start ({said})",
        fix="slug-run engine doctor checks what it needs.",
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
