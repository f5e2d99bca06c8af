"""Starts containers on the embedded engine for the tests, as root or as an ordinary user.

As a program it is the ordinary user's side: a plan as JSON on standard input, what happened as
JSON on standard output. It imports the standard library and the runner only.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from buildpack.support.hierarchies import find_hierarchies
from runner.engines.base import EngineRequest, Limits, RunningContainer, Streams
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.engine import EmbeddedEngine
from runner.engines.embedded.entering.entered import Entrance, Inside
from runner.engines.embedded.identity import process_id
from runner.engines.embedded.processes import descendants
from runner.formation import ContainerSpec
from runner.release import Release
from slugc.privileges import RUN_UID, hand_over
from slugc.procfile import ProcessType
from tests.places import remove_place
from tests.waiting import PATIENCE

CHECKOUT = Path(__file__).resolve().parents[2]
BASE_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/app", "LANG": "C.UTF-8"}
SYSTEM_PYTHON = "/usr/bin/python3"
TIMEOUT = 30.0

# Who containers can be started by, here.
STARTERS = ("root", "user") if os.getuid() == 0 else ("user",)

GREETER = """\
import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    client = server.accept()[0]
    client.sendall(b"hello")
    client.close()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One container of a plan. Those with ``stay`` run until the plan is over."""

    command: str
    name: str = "web"
    ordinal: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    stdin: str = ""
    stay: bool = False
    host_ports: Sequence[int] = ()
    enter: bool = False
    """As one more process in the container that was started last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What became of it."""

    code: int | None
    output: str
    milliseconds: float
    oom_killed: bool
    host_uids: Sequence[int]
    address: str


def test_layers(release: Release, home: Path) -> tuple[Path, ...]:
    """Two small layers, as the store would give them; the upper one hides a file of the lower."""
    layers = []
    for name, files in {"lower": {"a": "1", "both": "low"}, "upper": {"both": "high"}}.items():
        layer = home / "store" / "layers" / name
        layer.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (layer / file).write_text(content)
            hand_over(layer / file)
        hand_over(layer)
        layers.append(layer)
    return tuple(layers)


test_layers.__test__ = False  # type: ignore[attr-defined]  # a helper, whatever its name begins with


def make_engine(
    home: Path, limits: Limits | None = None, notices: list[str] | None = None
) -> EmbeddedEngine:
    """An engine of this process's user, on test layers."""
    request = EngineRequest(
        release=None,  # type: ignore[arg-type]  # test_layers does not look at it
        limits=limits or Limits(),
        env={"PATH": os.environ["PATH"], "SLUGKIT_HOME": str(home)},
        notify=(notices if notices is not None else []).append,
    )
    return EmbeddedEngine(request, layers=lambda *given: nullcontext(test_layers(*given)))


def spec(wanted: Wanted) -> ContainerSpec:
    return ContainerSpec(
        process_type=ProcessType(wanted.name),
        ordinal=wanted.ordinal,
        command=wanted.command,
        argv=("bash", "-c", wanted.command),
        env={**BASE_ENV, **wanted.env},
        port=wanted.port,
        host_ports=tuple(wanted.host_ports),
    )


def start(engine: EmbeddedEngine, wanted: Wanted, stdout: int) -> EmbeddedContainer:
    """Start one container that reads ``wanted.stdin`` and writes to ``stdout``."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(wanted.stdin.encode())
        stdin.seek(0)
        streams = Streams(stdin=stdin.fileno(), stdout=stdout, stderr=stdout)
        return engine.start(spec(wanted), streams=streams)


def entrance(engine: EmbeddedEngine, container: EmbeddedContainer) -> Entrance:
    """The way into a container that runs."""
    assert container.launched.init_pid is not None
    ground = engine._starts._ground
    groups = {} if container.cgroup is None else container.cgroup.dirs
    inside = Inside(
        name=container.spec.name,
        init=process_id(container.launched.init_pid),
        groups=groups,
        limits=ground.limits,
    )
    return Entrance(inside, ground.filter)


def enter(engine: EmbeddedEngine, wanted: Wanted) -> Happened:
    """Run a command in the container that was started last."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as output:
        stdin.write(wanted.stdin.encode())
        stdin.seek(0)
        begin = time.monotonic()
        process = entrance(engine, engine._starts._containers[-1]).start(
            spec(wanted),
            streams=Streams(stdin=stdin.fileno(), stdout=output.fileno(), stderr=output.fileno()),
        )
        milliseconds = (time.monotonic() - begin) * 1000
        code = wait(process)
        process.remove()
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    return Happened(
        code=code,
        output=said,
        milliseconds=milliseconds,
        oom_killed=False,
        host_uids=(),
        address="",
    )


def run(engine: EmbeddedEngine, wanted: Wanted) -> Happened:
    """Start one container; unless it stays, wait for its end and take it away."""
    if wanted.enter:
        return enter(engine, wanted)
    with tempfile.TemporaryFile() as output:
        begin = time.monotonic()
        container = start(engine, wanted, output.fileno())
        milliseconds = (time.monotonic() - begin) * 1000
        uids = host_uids(container)
        if not wanted.stay:
            wait(container)
        output.seek(0)
        happened = Happened(
            code=container.poll(),
            output=output.read().decode("utf-8", "replace"),
            milliseconds=milliseconds,
            oom_killed=container.was_oom_killed(),
            host_uids=uids,
            address=str(container.address or ""),
        )
        if not wanted.stay:
            container.remove()
        return happened


def wait(container: RunningContainer, timeout: float = TIMEOUT) -> int:
    """The exit code, once there is one."""
    readable, _, _ = select.select([container.exit_fd], [], [], timeout)
    code = container.poll()
    assert readable, f"{container.id} still runs after {timeout} s"
    assert code is not None
    return code


def host_uids(container: EmbeddedContainer) -> list[int]:
    """Real, effective, saved and file system uid of the container's init, to the kernel."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{container.launched.init_pid}/status").read_text().splitlines()
        return [int(word) for line in lines if line.startswith("Uid:") for word in line.split()[1:]]
    return []


def started(engine: EmbeddedEngine, command: str, **more: object) -> EmbeddedContainer:
    """A container whose output nobody reads."""
    with Path(os.devnull).open("wb") as output:
        return start(engine, Wanted(command=command, **more), output.fileno())  # type: ignore[arg-type]  # names of Wanted's own fields


def inside_of(container: EmbeddedContainer) -> set[int]:
    """The container's processes, as the host numbers them."""
    assert container.launched.init_pid is not None
    return descendants(container.launched.init_pid)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return False


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended, or is another user's


def read_until(descriptor: int, word: bytes) -> bytes:
    said = b""
    while word not in said:
        readable, _, _ = select.select([descriptor], [], [], PATIENCE)
        assert readable, said
        said += os.read(descriptor, 1024)
    return said


def run_ids(home: Path) -> set[str]:
    """Runs of this data directory, whether they live or not."""
    return {path.name for path in (home / "run").iterdir() if path.is_dir()}


def left_behind(home: Path, runs: set[str]) -> list[Path]:
    """Directories and control groups of those runs, and what else is in ``home``."""
    found = [home / "run" / run for run in run_ids(home)]
    hierarchies = find_hierarchies()
    for top in hierarchies.parents if hierarchies is not None else ():
        found += [top / "slugkit" / run for run in runs if (top / "slugkit" / run).exists()]
    return found


def carry_out(
    home: Path, limits: Limits, plan: Sequence[Wanted]
) -> tuple[list[Happened], list[str]]:
    """Start a plan's containers one after the other in one run."""
    notices: list[str] = []
    with make_engine(home, limits, notices) as engine:
        return [run(engine, wanted) for wanted in plan], notices


def carry_out_as_user(
    home: Path, limits: Limits, plan: Sequence[Wanted]
) -> tuple[list[Happened], list[str]]:
    """The same, in a process of an ordinary user."""
    request = {
        "home": str(home),
        "limits": asdict(limits),
        "plan": [{**asdict(wanted), "env": dict(wanted.env)} for wanted in plan],
    }
    with open_checkout() as checkout:
        done = subprocess.run(
            [*as_user(home), SYSTEM_PYTHON, "-B", "-m", "tests.integration.embedded_support"],
            input=json.dumps(request).encode(),
            capture_output=True,
            cwd=checkout,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    return [Happened(**happened) for happened in answer["happened"]], answer["notices"]


def carry_out_as(
    starter: str, limits: Limits, plan: list[Wanted]
) -> tuple[list[Happened], list[str]]:
    if starter == "root" or os.getuid() != 0:
        with home_for(RUN_UID) as home:
            return carry_out(home, limits, plan)
    with home_for(ordinary_user().pw_uid) as home:
        return carry_out_as_user(home, limits, plan)


def ordinary_user() -> pwd.struct_passwd:
    """Who plays the ordinary user: the one made for it, or nobody."""
    try:
        return pwd.getpwnam("slugtest")
    except KeyError:
        return pwd.getpwnam("nobody")


def as_user(home: Path) -> list[str]:
    """The prefix that makes a program an ordinary user's, with that user's environment only."""
    user = ordinary_user()
    return [
        *("setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"),
        *("env", "-i", f"HOME={home}", "PATH=/usr/local/bin:/usr/bin:/bin"),
    ]


@contextlib.contextmanager
def open_checkout() -> Iterator[Path]:
    """Our sources where every user may read them: a checkout may lie in a closed home."""
    with tempfile.TemporaryDirectory(prefix="slugkit-test-") as name:
        copy = Path(name)
        copy.chmod(0o755)
        for part in ("buildpack", "slugc", "runner", "tests"):
            left_out = shutil.ignore_patterns("__pycache__", "snapshots", "unit")
            shutil.copytree(
                CHECKOUT / part, copy / part, ignore=left_out, copy_function=shutil.copyfile
            )
        yield copy


@contextlib.contextmanager
def home_for(uid: int) -> Iterator[Path]:
    """A data directory that belongs to ``uid``, with a short path, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="slugkit-test-"))
    try:
        home.chmod(0o711)
        if os.getuid() == 0:
            os.chown(home, uid, uid)
        yield home
    finally:
        remove_place(home)


def main() -> None:
    request = json.load(sys.stdin)
    happened, notices = carry_out(
        Path(request["home"]),
        Limits(**request["limits"]),
        [Wanted(**wanted) for wanted in request["plan"]],
    )
    json.dump({"happened": [asdict(each) for each in happened], "notices": notices}, sys.stdout)


if __name__ == "__main__":
    main()
