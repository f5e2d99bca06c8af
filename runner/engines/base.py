"""What every engine gives: containers that start, speak, answer and stop, whatever runs them.

``ContainerEngine`` starts containers one by one and is driven by the supervisor
(docs/ARCHITECTURE.md, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

from buildpack.support.values import value
from runner.formation import ContainerSpec
from runner.release import Release

if TYPE_CHECKING:
    from runner.holder import Holder


@value
class Limits:
    """What one container may use. ``None`` means no limit of ours."""

    memory: int | None = 512 * 1024 * 1024
    """bytes, at which the kernel kills"""
    quota: int | None = None
    """bytes that programs inside are told they have, where that is less than ``memory``"""
    cpus: float | None = None
    """processors' worth of time"""
    pids: int | None = 256
    """processes and threads"""
    disk: int | None = None
    """bytes it may write under /app; then they are kept in memory, which has a quota to give"""


@value
class Address:
    """Where the machine that runs the engine reaches a container's PORT."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@value
class Streams:
    """File descriptors for a container's standard streams; the engine leaves them open.

    The caller may close them as soon as ``start`` has returned: an engine that copies bytes
    itself works on duplicates. With ``terminal`` they are all the slave side of one
    pseudo-terminal, which becomes the process's controlling terminal. ``stdin`` None means
    /dev/null.
    """

    stdin: int | None
    stdout: int
    stderr: int
    terminal: bool = False


class RunningContainer(Protocol):
    """One started container. File descriptors fit ``selectors``; nothing here blocks for long."""

    @property
    def id(self) -> str: ...

    @property
    def spec(self) -> ContainerSpec: ...

    @property
    def address(self) -> Address | None:
        """Where its PORT answers from this machine; None for a container without a port."""

    @property
    def exit_fd(self) -> int:
        """Becomes readable when the container has ended and its output is in the streams."""

    def poll(self) -> int | None:
        """The exit code (128+n after signal n), or None while it runs."""

    def terminate(self) -> None:
        """SIGTERM to every process in the container."""

    def kill(self) -> None:
        """SIGKILL to everything; returns without waiting."""

    def was_oom_killed(self) -> bool:
        """Whether the memory limit ended a process of this container."""

    def remove(self) -> None:
        """Give back everything it used: file systems, network, limits. Kills it first if needed."""


@runtime_checkable
class ShowsListeners(Protocol):
    """A container that can tell which TCP sockets listen in its own network.

    Optional. Readiness then needs no test connection, which matters behind a forwarder that
    accepts before the app does, and error R10 can name what the app did bind.
    """

    def listeners(self) -> tuple[Address, ...]:
        """Every listening address, as seen from inside the container."""

    def takes_ipv4(self, listener: Address) -> bool:
        """Whether ``listener``, which is on [::], takes IPv4 too; True where nobody can tell."""


class ContainerEngine(Protocol):
    """A way to run containers of one release. Use as a context manager: leaving it cleans up.

    Raises EngineUnavailableError, saying what to install or allow, when it cannot run here.
    """

    name: ClassVar[str]

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def start(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
    ) -> RunningContainer:
        """Start one container. ``publish`` asks for that port on 127.0.0.1 of this machine;
        None lets the engine choose where ``spec.port`` is reached. Raises PortInUseError."""


@runtime_checkable
class LooksAfter(Protocol):
    """An engine whose containers need programs of its own, which may be killed. Optional."""

    def look_after(self, containers: Iterable[RunningContainer]) -> str | None:
        """To be called now and then: set right what can be, and say so. Raises SlugkitError, with
        which the run has to end."""


@value
class EngineRequest:
    """What an engine is made from. ``notify`` takes one line for the person watching."""

    release: Release
    limits: Limits
    env: Mapping[str, str]
    """The environment slug-run itself was started with (PATH, HOME, XDG_RUNTIME_DIR ...)."""
    notify: Callable[[str], None]
    holder: Holder | None = None
    """What has been started for the embedded engine already; the engine ends it."""


EngineFactory = Callable[[EngineRequest], ContainerEngine]
