"""The Docker sandbox: one container of the stack's build image, in which every phase runs.

The work directory is bound into it, so the engine must be on this machine. Interpreters and tools
are the image's own: what is compiled there runs on the stack image of the same name.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from buildpack.support.command import (
    LAST_LINES,
    MAX_CAPTURED,
    Command,
    CommandFailedError,
    CommandOutputError,
    CommandTimeoutError,
)
from slugc.privileges import run_identity
from slugc.sandbox.base import (
    HOME,
    SYSTEM_PATH,
    NetworkPolicy,
    Problem,
    SandboxCommand,
    SandboxKind,
    SandboxRequest,
    SandboxUnavailableError,
)
from slugc.sandbox.build_group import Counts, reached
from slugc.sandbox.disk_watch import DiskWatch
from slugc.sandbox.docker_limits import END_LEFTOVERS, nameless_in, parse_counts
from slugc.sandbox.docker_options import (
    build_limits,
    container_config,
    exposed_paths,
    make_mount_points,
    network_mode,
    wanted_stack,
)
from slugc.sandbox.lines import hand_over_lines
from slugc.sandbox.policy import WORK_DIR, require_visible
from slugc.stack import Stack
from slugc.stacks.image import DockerUnavailableError, connect
from slugc.stacks.recipes import LABEL, REPOSITORY

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


class DockerSandbox:
    """See ``slugc.sandbox.base.Sandbox``."""

    kind: ClassVar[SandboxKind] = SandboxKind.DOCKER
    side_by_side: ClassVar[bool] = False
    work_dir = WORK_DIR
    home = HOME
    path = SYSTEM_PATH

    def __init__(self, request: SandboxRequest) -> None:
        self._request = request
        self._undo = contextlib.ExitStack()
        self._counts = Counts(killed=0, refused=0)

    @property
    def network(self) -> str:
        policy = self._request.network
        return "" if policy is NetworkPolicy.ON else str(policy)

    @property
    def notices(self) -> tuple[str, ...]:
        return ()

    def begin(self) -> None:
        """Entering is all there is to it."""

    def __enter__(self) -> Self:
        network_mode(self._request.network)  # before an engine is looked for
        with contextlib.ExitStack() as undo:
            client = self._connect(undo)
            self._client, image = client, self._build_image(client)
            shown = exposed_paths(self._request, image.labels[LABEL])
            require_visible(shown)
            make_mount_points(self._request.work_dir, shown)
            config = container_config(str(image.id), image.labels[LABEL], self._request)
            api: Any = client.api
            self._container = str(api.create_container_from_config(config)["Id"])
            undo.callback(self._remove)
            self._start(undo)
            self._stack = self._read_stack(image)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()

    def stack(self) -> Stack:
        return self._stack

    def expect(self, phases: int) -> None:
        """One container runs them all."""

    def stream(self, phase: SandboxCommand, on_line: Callable[[str], None]) -> None:
        self._run(phase, on_line, on_line)

    def capture(self, phase: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        out: list[str] = []
        size = 0

        def keep(line: str) -> None:
            nonlocal size
            size += len(line) + 1
            if size > MAX_CAPTURED:
                raise CommandOutputError(_shown(phase))
            out.append(line)

        self._run(phase, keep, on_error_line)
        return "".join(f"{line}\n" for line in out)

    def _connect(self, undo: contextlib.ExitStack) -> DockerClient:
        try:
            return undo.enter_context(connect(self._request.env))
        except DockerUnavailableError as err:
            problem = Problem(what=f"no Docker Engine answers: {err.reason}", fix=err.resolution)
            raise SandboxUnavailableError(self.kind, (problem,)) from err

    def _build_image(self, client: DockerClient) -> Image:
        from docker.errors import ImageNotFound

        tag = f"{REPOSITORY}:{wanted_stack(self._request.stack)}-build"
        try:
            return client.images.get(tag)
        except ImageNotFound as err:
            problem = Problem(
                what=f"the Docker Engine has no build image {tag}",
                fix=f"Build it, once: slugc stack build --tag {tag}",
            )
            raise SandboxUnavailableError(self.kind, (problem,)) from err

    def _start(self, undo: contextlib.ExitStack) -> None:
        """Start the container, and see whether the work directory in it is ours."""
        from docker.errors import APIError

        problem = Problem(
            what=f"the Docker Engine does not see {self._request.work_dir} of this machine",
            fix="Use an engine on this machine, or share that directory with it.",
        )
        try:
            self._client.api.start(self._container)
        except APIError as err:
            raise SandboxUnavailableError(self.kind, (problem,)) from err
        self._watch_disk(undo)
        marker = self._request.work_dir / f".slugc-{os.urandom(8).hex()}"
        marker.touch()
        try:
            look = SandboxCommand(
                argv=("test", "-e", str(WORK_DIR / marker.name)), cwd=WORK_DIR, env={}
            )
            self.capture(look, _ignore)
        except CommandFailedError as err:
            raise SandboxUnavailableError(self.kind, (problem,)) from err
        finally:
            marker.unlink()

    def _read_stack(self, image: Image) -> Stack:
        ask = SandboxCommand(argv=("getconf", "GNU_LIBC_VERSION"), cwd=WORK_DIR, env={})
        stack = str(image.labels[LABEL])
        architecture = str(image.attrs["Architecture"])
        return Stack(
            id=stack,
            distribution=stack.partition("-")[0],
            glibc=self.capture(ask, _ignore).removeprefix("glibc").strip(),
            arch=ARCHITECTURES.get(architecture, architecture),
        )

    def _run(
        self,
        phase: SandboxCommand,
        on_out: Callable[[str], None],
        on_error: Callable[[str], None],
    ) -> None:
        last: deque[str] = deque(maxlen=LAST_LINES)
        shown = _shown(phase)
        before, limits = self._counts, build_limits(self._request)
        code, timed_out = self._execute(phase, _noting(on_out, last), _noting(on_error, last))
        if full := self._disk.reached(shown.shown):
            raise full
        if timed_out:
            raise CommandTimeoutError(shown)
        said = "\n".join(last)
        why = reached(before, self._counts, limits, phase=shown.shown, said=said)
        if code != 0 and why:
            raise why
        if code != 0:
            raise CommandFailedError(shown, code, tuple(last))

    def _execute(
        self,
        phase: SandboxCommand,
        on_out: Callable[[str], None],
        on_error: Callable[[str], None],
    ) -> tuple[int, bool]:
        from docker.utils.socket import frames_iter

        api: Any = self._client.api
        frames: Callable[..., Iterator[tuple[int, bytes]]] = frames_iter
        user = run_identity()
        started = api.exec_create(
            self._container,
            list(phase.argv),
            # As environment in the call's body: nothing of it is on any command line.
            environment=dict(phase.env),
            workdir=str(phase.cwd),
            user=f"{user.uid}:{user.gid}",
        )["Id"]
        with self._time_limit(phase.timeout) as expired:
            attached = api.exec_start(started, socket=True)
            try:
                hand_over_lines(frames(attached, tty=False), on_out, on_error)
            finally:
                # Closing the file object alone would leave the answer, and its socket, open.
                getattr(attached, "_response", attached).close()
                attached.close()
        if expired.is_set() or self._disk.is_reached:
            return 0, expired.is_set()
        code = int(api.exec_inspect(started)["ExitCode"])
        self._end_leftovers()
        return code, False

    @contextlib.contextmanager
    def _time_limit(self, seconds: float | None) -> Iterator[threading.Event]:
        """End the whole container when the time is up: no call ends a phase alone."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._kill()

        timer = threading.Timer(seconds or 0, expire)
        timer.daemon = True
        if seconds is not None:
            timer.start()
        try:
            yield expired
        finally:
            timer.cancel()

    def _end_leftovers(self) -> None:
        """What a phase left in the background ends with it; what it ran into is noted."""
        api: Any = self._client.api
        user = run_identity()
        started = api.exec_create(
            self._container, ["/bin/sh", "-c", END_LEFTOVERS], user=f"{user.uid}:{user.gid}"
        )["Id"]
        self._counts = parse_counts(bytes(api.exec_start(started)).decode())

    def _watch_disk(self, undo: contextlib.ExitStack) -> None:
        """All a build may write lies on this machine, in the directories that are bound."""
        places = (self._request.work_dir, self._request.home_dir)
        first = int(self._client.api.inspect_container(self._container)["State"]["Pid"])
        self._disk = DiskWatch(
            places, self._request.limits, self._kill, partial(nameless_in, first, places[0])
        )
        undo.callback(self._disk.stop)

    def _kill(self) -> None:
        self._client.api.kill(self._container)

    def _remove(self) -> None:
        self._client.api.remove_container(self._container, v=True, force=True)


def _shown(phase: SandboxCommand) -> Command:
    """The phase as errors name it."""
    return Command(
        argv=phase.argv,
        cwd=Path(phase.cwd),
        env=phase.env,
        timeout=phase.timeout,
        title=phase.title,
    )


def _noting(on_line: Callable[[str], None], last: deque[str]) -> Callable[[str], None]:
    def note(line: str) -> None:
        last.append(line)
        on_line(line)

    return note


def _ignore(line: str) -> None:
    """Nobody wants these lines."""
