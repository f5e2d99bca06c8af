"""The embedded sandbox: bubblewrap, started directly, as a user without rights.

Its argument list is in policy.py. The build sees the host's system directories read-only, one
writable work directory, a fresh /tmp and a private HOME; no other process, no home directory, no
capability. Its network is its own (network.py), and how much it uses is limited (limits.py).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support import seccomp
from buildpack.support.command import Command, CommandFailedError
from slugc.privileges import drop_prefix, run_identity
from slugc.sandbox.base import (
    HOME,
    NetworkPolicy,
    Problem,
    SandboxCommand,
    SandboxKind,
    SandboxRequest,
    SandboxUnavailableError,
    StackUnavailableError,
)
from slugc.sandbox.build_group import BuildGroup, make_group
from slugc.sandbox.disk_watch import DiskWatch, Room
from slugc.sandbox.in_memory import in_memory, off_command_line, reopened
from slugc.sandbox.limits import soft_limits, soft_prefix
from slugc.sandbox.network_choice import NetworkChoice
from slugc.sandbox.policy import (
    AREA,
    RESOLVER,
    USERS,
    WORK_DIR,
    Walls,
    bwrap_argv,
    require_visible,
    reveal_prefix,
    revealed_prefix,
    system_arguments,
    without_resolver,
)
from slugc.sandbox.reachable import is_reachable
from slugc.sandbox.refusals import explain_refusal, missing_tools
from slugc.sandbox.waiting import SHELL, WaitingSandbox
from slugc.stack import Stack, read_host_stack

_AHEAD = 2  # sandboxes put up before they are needed: bin/release and bin/report run together


class EmbeddedSandbox:
    """Bubblewrap around every phase. Entering proves that it works here."""

    kind: ClassVar[SandboxKind] = SandboxKind.EMBEDDED
    side_by_side: ClassVar[bool] = True
    work_dir = WORK_DIR
    home = HOME

    def __init__(self, request: SandboxRequest) -> None:
        self.path = request.path
        self._request = request
        self._sources = (request.work_dir, request.home_dir, *request.exposed)
        self._system = system_arguments()
        self._users: dict[str, int] = {}
        self._filter = -1
        self._revealed = -1  # the mount namespace where the first found what is hidden from it
        self._waiting: deque[WaitingSandbox] = deque()
        self._running: set[WaitingSandbox] = set()
        self._network = NetworkChoice(request.network)
        self._group: BuildGroup | None = None
        self._disk: DiskWatch | None = None
        self._expected = 0
        # A sandbox ends with the thread that started it (PR_SET_PDEATHSIG in prctl(2)).
        self._thread = threading.get_ident()

    def stack(self) -> Stack:
        return read_host_stack()

    @property
    def network(self) -> str:
        return self._network.shown

    @property
    def notices(self) -> tuple[str, ...]:
        said = soft_limits(self._request.limits, has_group=self._group is not None)
        return (said,) if said else ()

    def begin(self) -> None:
        found = self.stack().id
        if self._request.stack not in {None, found}:
            raise StackUnavailableError(self.kind, str(self._request.stack), found)
        require_visible(self._request.exposed)
        # First: it takes the longest.
        self._network.start(self._request.settings, path=self.path)
        self._group = make_group(self._request.limits)
        try:
            self._filter = in_memory(seccomp.filter_program())
        except seccomp.SeccompError as err:
            problem = Problem(what=err.brief, fix=err.resolution)
            raise SandboxUnavailableError(self.kind, (problem,)) from err
        self._users = {seen: in_memory(text.encode()) for seen, text in USERS.items()}
        if problems := missing_tools(self.path):
            raise SandboxUnavailableError(self.kind, problems)
        self._put_up_first()

    def _put_up_first(self) -> None:
        self._network.begin()
        if (resolver := self._network.resolver) is not None:
            self._users[RESOLVER] = in_memory(resolver.encode())
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
        self._network.close()
        if self._group is not None:
            self._group.remove()
            self._group = None
        for descriptor in (self._filter, self._revealed, *self._users.values()):
            if descriptor >= 0:
                os.close(descriptor)
        self._users, self._filter, self._revealed = {}, -1, -1

    def _take_down(self) -> None:
        while self._waiting:
            self._waiting.pop().end()

    def _await_network(self) -> None:
        """What was put up in a network that turned out to lead nowhere is put up again."""
        if not self._network.await_way_out():
            self._take_down()
            os.close(self._users.pop(RESOLVER))
            self._system = system_arguments()
            self._waiting.append(self._start())

    def _watch_disk(self) -> None:
        places = (self._request.work_dir, self._request.home_dir)
        self._disk = DiskWatch(places, self._request.limits, self._kill_running, self._nameless)

    def _nameless(self) -> Room:
        from slugc.sandbox.open_files import nameless_room  # few builds come near their limit

        running = [each.pid for each in tuple(self._running)]
        return nameless_room(running, self._request.work_dir)

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
        """What comes from a limit, told by that limit's name and its flag."""
        before = self._group.counts() if self._group else None
        title = phase.title or " ".join(phase.argv)
        try:
            yield
            self._require_room(title)
        except CommandFailedError as err:
            self._require_room(title)
            said = "" if shown else "\n".join(err.last_lines)
            if self._group and before and (why := self._group.reached(before, title, said)):
                raise why from err
            raise

    def _require_room(self, title: str) -> None:
        if self._disk is not None and (full := self._disk.reached(title)):
            raise full

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
        # Beside bin/detect, which is over soon, that of bin/compile alone: two take twice as long.
        ahead = _AHEAD if self._expected <= _AHEAD else 1
        while self._expected > 0 and len(self._waiting) < ahead:
            self._waiting.append(self._start())

    def _start(self) -> WaitingSandbox:
        self._expected -= 1
        with self.walls_command() as walls:
            return WaitingSandbox(walls)

    @contextlib.contextmanager
    def walls_command(self) -> Iterator[Command]:
        """What this host starts to put up one sandbox; open files are lent until it is started."""
        with contextlib.ExitStack() as lent:
            written = {seen: reopened(held, lent) for seen, held in self._users.items()}
            prefix, walls = self._placed(written, reopened(self._filter, lent))
            limited = self._group.prefix if self._group else ()
            bwrap, options = off_command_line(bwrap_argv(walls, SHELL, system=self._system), lent)
            lent_files = (walls.filter, options, *written.values())
            yield Command(
                argv=(*limited, *prefix, *drop_prefix(), *self._network.prefix, *bwrap),
                cwd=Path("/"),
                env={"PATH": self.path},
                pass_fds=tuple(held for held in lent_files if held >= 0),
            )

    def _placed(
        self, written: Mapping[str, int], seccomp_filter: int
    ) -> tuple[tuple[str, ...], Walls]:
        """Where each source can be reached, and the prefix that makes it so."""
        request = self._request
        place = {path: path for path in self._sources} | {
            path: Path(AREA / str(index)) for index, path in enumerate(self._hidden)
        }
        walls = Walls(
            work_source=place[request.work_dir],
            home_source=place[request.home_dir],
            exposed=tuple((place[path], path) for path in request.exposed),
            written=tuple((descriptor, seen) for seen, descriptor in written.items()),
            filter=seccomp_filter,
            has_network=request.network is not NetworkPolicy.OFF,
        )
        if not self._hidden:
            return (), walls
        if self._revealed >= 0:
            return revealed_prefix(self._revealed), walls
        # Beside the work directory, where no build can put a link in its place.
        area = request.work_dir.parent / "area"
        area.mkdir(exist_ok=True)
        return reveal_prefix(area, self._hidden), walls

    @cached_property
    def _hidden(self) -> tuple[Path, ...]:
        """The sources that only root can reach, and what would be covered where they are shown.

        Asked once, before there is build code: that may change the modes of its own directories.
        """
        uid = run_identity().uid
        if os.getuid() != 0 or all(is_reachable(path, uid=uid) for path in self._sources):
            return ()
        return tuple(
            path
            for path in self._sources
            if path.is_relative_to(AREA) or not is_reachable(path, uid=uid)
        )

    def _prove(self) -> None:
        """One real start, with the very walls the build gets: it waits for the first phase."""
        try:
            self._waiting[0].require()
        except CommandFailedError as err:
            problem = explain_refusal("\n".join(err.last_lines))
            raise SandboxUnavailableError(self.kind, (problem,)) from err
        if self._hidden:
            with contextlib.suppress(OSError):  # then each makes its own
                self._revealed = os.open(f"/proc/{self._waiting[0].pid}/ns/mnt", os.O_RDONLY)
