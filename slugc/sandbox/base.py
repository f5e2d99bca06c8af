"""Where untrusted build code runs: one small contract with three sides.

A buildpack's programs see one work directory (build, cache, env and buildpacks below it), at
``Sandbox.work_dir``, a HOME, and nothing of the person who builds. One directory, because a hard
link across two bind mounts fails (EXDEV) even on one file system, and buildpacks link from their
cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType, TracebackType
from typing import ClassVar, Protocol, Self

from buildpack.support.command import Command, Process, start
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from slugc.privileges import hand_over_streams
from slugc.sandbox.limits import BuildLimits
from slugc.stack import Stack


class SandboxKind(StrEnum):
    """What confines the build; the chosen one stands in the first line of every build."""

    EMBEDDED = "embedded"
    DOCKER = "docker"
    NONE = "none"


class NetworkPolicy(StrEnum):
    """What of the network build code reaches."""

    ON = "on"
    """the outside but not this machine, where that can be had; else this machine's network, and
    the first line says so"""
    ISOLATED = "isolated"
    """the outside but not this machine, or an error"""
    OFF = "off"
    """nothing"""
    HOST = "host"
    """all that this machine reaches, its loopback included"""


SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

HOME = PurePosixPath("/app")
"""HOME of every phase, as on Heroku: a private, writable directory kept for one build."""


@value
class SandboxRequest:
    """What a sandbox is made of, before anything runs."""

    work_dir: Path
    """on this host, owned by the identity that runs builds; bound as one directory"""
    exposed: tuple[Path, ...] = ()
    """further host paths the build may read, at the same place inside"""
    stack: str | None = None
    """the stack asked for by name; None takes the sandbox's own"""
    path: str = SYSTEM_PATH
    """PATH of the phases, where the sandbox shows this host's own programs"""
    env: Mapping[str, str] = MappingProxyType({})
    """what slugc itself was started with: DOCKER_HOST and friends, for the Docker sandbox"""
    network: NetworkPolicy = NetworkPolicy.ON
    settings: Mapping[str, str] = MappingProxyType({})
    """variables whose values may name services of this machine that the build needs: indexes,
    mirrors, proxies"""
    limits: BuildLimits = BuildLimits()

    @property
    def home_dir(self) -> Path:
        """HOME on this host: beside the work directory and not in it, where a build could put a
        link in its place, and the next phase would be given what the link leads to."""
        return self.work_dir.parent / "home"


@value
class SandboxCommand:
    """One phase to run: every path in it is a path inside the sandbox."""

    argv: tuple[str, ...]
    cwd: PurePosixPath
    env: Mapping[str, str]
    timeout: float | None = None
    title: str = ""


class Sandbox(Protocol):
    """Runs phases over one work directory; leaves no process behind.

    Both methods raise ``CommandFailedError`` and ``CommandTimeoutError`` of
    ``buildpack.support.command`` as those of the host do.
    """

    kind: ClassVar[SandboxKind]
    side_by_side: ClassVar[bool]
    """Whether a phase may be started while another runs."""

    @property
    def work_dir(self) -> PurePosixPath:
        """Where the work directory is seen from inside."""

    @property
    def home(self) -> PurePosixPath:
        """HOME of every phase."""

    @property
    def path(self) -> str:
        """PATH of every phase."""

    def stack(self) -> Stack:
        """What the result will expect underneath."""

    @property
    def network(self) -> str:
        """What the first line of a build has to say of the network; empty where it is as usual."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What was asked for and does not hold as it should."""

    def begin(self) -> None:
        """Start what takes time; entering waits for it. Leaving ends it in either case."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def expect(self, phases: int) -> None:
        """So many phases will be run: whoever can, gets ready for the next while one runs."""

    def stream(self, command: SandboxCommand, on_line: Callable[[str], None]) -> None:
        """Run to the end, handing over every line of stdout and stderr as it comes."""

    def capture(self, command: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        """Run to the end; return stdout, hand over the lines of stderr."""


def start_phase(phase: Command, *, joined: bool = False) -> Process:
    """Start ``phase``: it gives up root's rights, and may open its output by name all the same."""
    return start(phase, joined=joined, settle=lambda pipe_end: hand_over_streams((pipe_end,)))


@value
class Problem:
    """One thing that stands in a sandbox's way, and what removes it."""

    what: str
    fix: str


class SandboxUnavailableError(SlugkitError):
    """The sandbox asked for by name cannot run here; another is never taken in silence."""

    exit_code = ExitCode.UNAVAILABLE
    id = "sandbox-unavailable"

    def __init__(self, kind: SandboxKind, problems: Sequence[Problem]) -> None:
        self.kind, self.problems = kind, tuple(problems)
        found = "\n".join(f"- {problem.what}" for problem in self.problems)
        fixes = "\n".join(f"{number}. {problem.fix}" for number, problem in enumerate(problems, 1))
        if kind is not SandboxKind.NONE:
            fixes += (
                "\n\nOr build without walls around the buildpack, if you trust it\n"
                "and the app's dependencies: slugc build --sandbox none"
            )
        super().__init__(f"The {kind} sandbox cannot run here", details=found, resolution=fixes)


class NetworkUnavailableError(SlugkitError):
    """The network asked for by name cannot be had here; another is never taken in silence."""

    exit_code = ExitCode.UNAVAILABLE
    id = "network-unavailable"

    def __init__(self, kind: SandboxKind, policy: NetworkPolicy, problem: Problem) -> None:
        self.kind, self.policy, self.problem = kind, policy, problem
        super().__init__(
            f"The {kind} sandbox cannot build with --network {policy} here",
            details=problem.what,
            resolution=problem.fix,
        )


class StackUnavailableError(SlugkitError):
    """The stack asked for is not the one this sandbox builds on."""

    exit_code = ExitCode.UNAVAILABLE
    id = "stack-unavailable"

    def __init__(self, kind: SandboxKind, asked: str, found: str) -> None:
        self.kind, self.asked, self.found = kind, asked, found
        super().__init__(
            f"The {kind} sandbox cannot build for the stack {asked}",
            details=f"It builds on this machine's own stack, {found}.",
            resolution=f"Leave --stack out, or build in a container of that stack:\n"
            f"slugc build --sandbox docker --stack {asked}",
        )
