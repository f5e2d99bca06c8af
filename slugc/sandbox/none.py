"""No sandbox: the phases run on this host, as an unprivileged user, with nothing around them.

Taken when asked for by name, or when no sandbox can run here; the first line of the build says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support import command
from buildpack.support.command import Command
from buildpack.support.leftovers import adopting
from slugc.privileges import drop_prefix, run_identity
from slugc.sandbox.base import (
    NetworkPolicy,
    NetworkUnavailableError,
    Problem,
    SandboxCommand,
    SandboxKind,
    SandboxRequest,
    SandboxUnavailableError,
    StackUnavailableError,
    start_phase,
)
from slugc.sandbox.reachable import is_reachable
from slugc.stack import Stack, read_host_stack

NO_LIMITS = (
    "Without a sandbox nothing limits memory, processors, processes, disk or files; "
    "--timeout alone holds"
)


class NoSandbox:
    """Real paths, the host's processes and files in sight; root's rights are dropped even so."""

    kind: ClassVar[SandboxKind] = SandboxKind.NONE
    side_by_side: ClassVar[bool] = False  # what one leaves running is told from what it found

    def __init__(self, request: SandboxRequest) -> None:
        self._request = request
        self.work_dir = PurePosixPath(request.work_dir)
        self.home = PurePosixPath(request.home_dir)
        self.path = request.path

    def stack(self) -> Stack:
        return read_host_stack()

    @property
    def network(self) -> str:
        return "the host's"

    @property
    def notices(self) -> tuple[str, ...]:
        limits = self._request.limits
        if limits.is_asked or limits.disk is not None or limits.files is not None:
            return (NO_LIMITS,)
        return ()

    def begin(self) -> None:
        """Entering is all there is to it."""

    def __enter__(self) -> Self:
        found = self.stack().id
        if self._request.stack not in {None, found}:
            raise StackUnavailableError(self.kind, str(self._request.stack), found)
        policy = self._request.network
        if policy in {NetworkPolicy.OFF, NetworkPolicy.ISOLATED}:
            problem = Problem(
                what="Without a sandbox a build has this machine's network.",
                fix="Leave --network out, or build in a sandbox: --sandbox embedded",
            )
            raise NetworkUnavailableError(self.kind, policy, problem)
        work_dir = self._request.work_dir
        if os.getuid() == 0 and not is_reachable(work_dir, uid=run_identity().uid):
            raise SandboxUnavailableError(self.kind, (_unreachable(work_dir),))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to undo: there are no walls."""

    def expect(self, phases: int) -> None:
        """There is nothing to get ready."""

    def stream(self, phase: SandboxCommand, on_line: Callable[[str], None]) -> None:
        with adopting():
            program = self.host_command(phase)
            command.stream(program, on_line, started=start_phase(program, joined=True))

    def capture(self, phase: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        with adopting():
            program = self.host_command(phase)
            started = start_phase(program)
            return command.capture(program, on_error_line=on_error_line, started=started)

    def host_command(self, phase: SandboxCommand) -> Command:
        """``phase`` as this host starts it."""
        return Command(
            argv=(*drop_prefix(), *phase.argv),
            cwd=Path(phase.cwd),
            env=phase.env,
            timeout=phase.timeout,
            title=phase.title,
        )


def _unreachable(work_dir: Path) -> Problem:
    return Problem(
        what=f"the work directory {work_dir} lies where only root may go, and builds do not\n"
        f"  run as root but as uid {run_identity().uid}",
        fix="Set SLUGKIT_HOME to a directory others may enter, /var/lib/slugkit for example.",
    )
