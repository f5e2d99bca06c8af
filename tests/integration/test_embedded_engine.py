"""What the embedded engine promises besides its walls: starting, stopping, limits, nothing left."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.base import Limits, ShowsListeners, Streams
from runner.engines.embedded import checks
from runner.engines.embedded.cgroups import find_hierarchies
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.engine import EmbeddedEngine
from runner.engines.embedded.launcher import ContainerStartError, MemoryTooLowError
from runner.engines.embedded.processes import descendants
from runner.errors import PortInUseError
from slugc.privileges import run_identity
from tests.integration import embedded_support as support
from tests.integration.embedded_support import Happened, Wanted
from tests.integration.probes import answers
from tests.integration.test_embedded_walls import GREETER, STARTERS, carry_out

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

MIB = 1024 * 1024
SERVE = f"exec python3 -c '{GREETER}' 5000"


@pytest.fixture
def home() -> Iterator[Path]:
    with support.home_for(run_identity().uid) as path:
        yield path


@pytest.fixture
def engine(home: Path) -> Iterator[EmbeddedEngine]:
    with support.make_engine(home) as engine:
        yield engine


def started(engine: EmbeddedEngine, command: str, **more: object) -> EmbeddedContainer:
    """A container whose output nobody reads."""
    with Path(os.devnull).open("wb") as output:
        return support.start(engine, Wanted(command=command, **more), output.fileno())  # type: ignore[arg-type]  # names of Wanted's own fields


def until(holds: object, timeout: float = 5.0) -> None:
    """Wait until ``holds()`` is true."""
    assert callable(holds)
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, holds
        time.sleep(0.01)


# The command


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("no-such-program", 127)],
)
def test_exit_code_is_the_commands(engine: EmbeddedEngine, command: str, code: int) -> None:
    assert support.run(engine, Wanted(command=command)).code == code


def test_environment_is_the_specs_and_nothing_else(engine: EmbeddedEngine) -> None:
    env = {"EMPTY": "", "TEXT": "two\nlines 'and' $quotes \u00e9", "BASH_ENV": "/app/none"}
    happened = support.run(engine, Wanted(command="env -0", env=env))
    found = dict(entry.split("=", 1) for entry in happened.output.split("\0") if entry)
    added = {"PWD": "/app", "SHLVL": found["SHLVL"], "_": "/usr/bin/env"}  # by bash itself
    assert found == {**support.BASE_ENV, **env, **added}


def test_standard_input_is_passed_on(engine: EmbeddedEngine) -> None:
    assert support.run(engine, Wanted(command="cat", stdin="a\nb")).output == "a\nb"


def test_standard_error_is_its_own_stream(engine: EmbeddedEngine) -> None:
    spec = support.spec(Wanted(command="echo out; echo err >&2"))
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    container = engine.start(spec, streams=Streams(stdin=None, stdout=to_out, stderr=to_err))
    os.close(to_out)
    os.close(to_err)
    with os.fdopen(out) as stdout, os.fdopen(err) as stderr:
        assert (stdout.read(), stderr.read()) == ("out\n", "err\n")
    assert support.wait(container) == 0


def test_terminal_is_the_commands_own(engine: EmbeddedEngine) -> None:
    """Ctrl-C typed at the other end interrupts what runs in the foreground."""
    master, slave = pty.openpty()
    spec = support.spec(Wanted(command="tty; echo ready; sleep 60"))
    streams = Streams(stdin=slave, stdout=slave, stderr=slave, terminal=True)
    container = engine.start(spec, streams=streams)
    os.close(slave)
    said = read_until(master, b"ready")
    assert said.splitlines()[0] == b"/dev/console"  # the only name it has in there
    os.write(master, b"\x03")
    assert support.wait(container, 5) == 130
    os.close(master)


def read_until(descriptor: int, word: bytes) -> bytes:
    said = b""
    while word not in said:
        readable, _, _ = select.select([descriptor], [], [], 5)
        assert readable, said
        said += os.read(descriptor, 1024)
    return said


# The file system


@pytest.mark.parametrize("starter", STARTERS)
def test_layers_are_one_tree_of_which_each_container_writes_its_own_copy(starter: str) -> None:
    first = Wanted(command="cat a both; echo new >both; echo more >c; rm a; ls; cat both")
    second = Wanted(command="ls; cat a both", ordinal=2)
    happened, _ = carry_out(starter, Limits(), [first, second])
    assert happened[0].output == "1highboth\nc\nnew\n"
    assert happened[1].output == "a\nboth\n1high"


def test_store_is_never_changed(engine: EmbeddedEngine, home: Path) -> None:
    support.run(engine, Wanted(command="rm -rf /app/* ; echo x >/app/both"))
    assert (home / "store/layers/upper/both").read_text() == "high"
    assert (home / "store/layers/lower/a").read_text() == "1"


def test_upper_directory_is_in_memory_where_the_disk_cannot_hold_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "overlay_problem", lambda tree, env: "not on this file system")
    notices: list[str] = []
    with support.make_engine(home, notices=notices) as engine:
        happened = support.run(engine, Wanted(command="echo x >new; rm a; ls; cat both"))
        assert happened.output == "both\nnew\nhigh"
        assert list((home / "run").glob("*/web.1-1/upper/*")) == []
    assert notices[0] == (
        "Files written under /app are kept in memory, 256 MiB a container: "
        f"{home} cannot hold an overlay (not on this file system)"
    )


# The network


def test_port_is_reached_from_the_host(engine: EmbeddedEngine) -> None:
    container = started(engine, SERVE, port=5000)
    assert container.address is not None
    port = container.address.port
    until(lambda: answers("127.0.0.1", port))
    container.remove()
    assert not answers("127.0.0.1", port)


def test_listeners_are_shown_as_soon_as_there_are_any(engine: EmbeddedEngine) -> None:
    container = started(engine, f"sleep 0.2; {SERVE}", port=5000)
    assert isinstance(container, ShowsListeners)
    assert container.listeners() == ()
    until(lambda: [str(found) for found in container.listeners()] == ["0.0.0.0:5000"])


def test_published_port_is_the_one_asked_for_and_taken_only_once(engine: EmbeddedEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            publish(engine, port)
        assert f"(process {os.getpid()})" in str(caught.value.holder)
    container = publish(engine, port)
    assert str(container.address) == f"127.0.0.1:{port}"
    until(lambda: answers("127.0.0.1", port))
    with pytest.raises(PortInUseError):
        publish(engine, port)


def test_a_connection_to_a_container_that_does_not_listen_yet_ends_at_once(
    engine: EmbeddedEngine,
) -> None:
    container = started(engine, "sleep 60", port=5000)
    assert container.address is not None
    place = (container.address.host, container.address.port)
    with socket.create_connection(place, timeout=2) as early:
        try:
            received = early.recv(1)
        except ConnectionResetError:
            received = b""
    assert received == b""


def publish(engine: EmbeddedEngine, port: int) -> EmbeddedContainer:
    spec = support.spec(Wanted(command=SERVE, port=5000))
    with Path(os.devnull).open("wb") as output:
        streams = Streams(stdin=None, stdout=output.fileno(), stderr=output.fileno())
        return engine.start(spec, streams=streams, publish=port)


def test_containers_find_each_other_by_name_while_they_live(engine: EmbeddedEngine) -> None:
    sibling = started(engine, "sleep 60", name="worker", ordinal=3)
    look = Wanted(command="getent hosts worker.3; getent hosts worker-3; getent hosts web-1")
    found = support.run(engine, look).output.split()
    assert found[1:3] == ["worker.3", "worker-3"]
    assert found[-2:] == ["web.1", "web-1"]
    sibling.remove()
    assert "worker" not in support.run(engine, Wanted(command="cat /etc/hosts")).output


# Limits

HOG = "exec python3 -c 'x = []\nwhile True: x.append(bytearray(1 << 20))'"
FORKS = """exec python3 -c '
import os, time
started = 0
try:
    while started < 500:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        started += 1
except OSError as err:
    print("refused after", started, err.strerror)
'"""


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_memory_hog_is_killed_at_the_limit_and_reported(home: Path) -> None:
    with support.make_engine(home, Limits(memory=64 * MIB)) as engine:
        happened = support.run(engine, Wanted(command=HOG))
        assert (happened.code, happened.oom_killed) == (137, True)
        child = support.run(
            engine, Wanted(command=f"({HOG.removeprefix('exec ')}); echo still here")
        )
        assert child.oom_killed
        assert "still here" in child.output
        assert not support.run(engine, Wanted(command="true")).oom_killed


def test_memory_hog_of_a_user_is_stopped_at_a_limit_said_to_be_soft() -> None:
    happened, notices = carry_out("user", Limits(memory=64 * MIB), [Wanted(command=HOG)])
    assert "MemoryError" in happened[0].output
    assert [notice.split(",")[0] for notice in notices] == ["Limits are soft here"]


@pytest.mark.parametrize("starter", STARTERS)
def test_fork_bomb_stops_at_the_limit(starter: str) -> None:
    happened, _ = carry_out(starter, Limits(pids=40), [Wanted(command=FORKS)])
    words = happened[0].output.split()
    assert words[:2] == ["refused", "after"]
    assert 30 <= int(words[2]) <= 40


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_memory_too_low_to_start_is_told_as_such(home: Path) -> None:
    with support.make_engine(home, Limits(memory=MIB // 8)) as engine:
        with pytest.raises(MemoryTooLowError) as caught:
            started(engine, "true")
        assert caught.value.text() == (
            "The container web.1 needs more memory than it may use\n\n"
            "It was killed at its limit of 131072 bytes before its command began.\n\n"
            "Raise the limit: --memory 512M is the default."
        )
        runs = run_ids(home)
    assert left_behind(home, runs) == []


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_cpu_limit_holds(home: Path) -> None:
    burn = "import time; end = time.monotonic() + 1\nwhile time.monotonic() < end: pass\n"
    show = "import os; t = os.times(); print(t.user + t.system)"
    with support.make_engine(home, Limits(cpus=0.25)) as engine:
        happened = support.run(engine, Wanted(command="python3 -", stdin=burn + show))
    assert 0.1 < float(happened.output) < 0.45


def test_limits_of_one_container_are_not_anothers(home: Path) -> None:
    with support.make_engine(home, Limits(pids=20)) as engine:
        for _ in range(3):
            started(engine, "for i in $(seq 10); do sleep 60 & done; wait")
        assert support.run(engine, Wanted(command="for i in 1 2 3; do true & done; wait")).code == 0


# Secrets


def test_secrets_are_on_no_command_line(engine: EmbeddedEngine) -> None:
    canary = f"canary-{os.urandom(8).hex()}"
    container = started(engine, "sleep 60", env={"SECRET": canary})
    lines = {path: read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    assert any(b"slirp4netns" in line for line in lines.values())
    assert [path for path, line in lines.items() if canary.encode() in line] == []
    inside = inside_of(container)
    holders = {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/environ")
        if canary.encode() in read(path)
    }
    assert inside
    assert holders <= inside


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended, or is another user's


# Stopping

STUBBORN = "trap 'echo $0 got it' TERM; sleep 60 & wait; sleep 60 & wait"


def test_terminate_reaches_every_process(engine: EmbeddedEngine) -> None:
    command = (
        "bash -c 'trap \"echo child; exit\" TERM; echo ready; while :; do sleep 0.05; done' & "
        "trap 'wait; echo parent; exit 3' TERM; while :; do sleep 0.05; done"
    )
    reader, writer = os.pipe()
    container = support.start(engine, Wanted(command=command), writer)
    os.close(writer)
    read_until(reader, b"ready")
    container.terminate()
    assert support.wait(container, 5) == 3
    with os.fdopen(reader) as output:
        assert {"child", "parent"} <= set(output.read().splitlines())


def test_kill_ends_what_ignores_everything(engine: EmbeddedEngine) -> None:
    command = "trap '' TERM INT HUP; setsid sleep 60 & while :; do sleep 0.1; done"
    container = started(engine, command)
    until(lambda: len(inside_of(container)) >= 2)
    inside = inside_of(container)
    container.terminate()
    time.sleep(0.1)
    assert container.poll() is None
    container.kill()
    assert support.wait(container, 5) == 137
    until(lambda: not any(is_alive(pid) for pid in inside))


def inside_of(container: EmbeddedContainer) -> set[int]:
    """The container's processes, as the host numbers them."""
    assert container.launched.init_pid is not None
    return descendants(container.launched.init_pid)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return False


def test_leaving_gives_everything_back(home: Path) -> None:
    with support.make_engine(home) as engine:
        for ordinal in (1, 2):
            started(engine, "sleep 60", ordinal=ordinal, port=5000)
        processes = descendants(os.getpid())
        runs = run_ids(home)
        assert left_behind(home, runs) != []
    assert processes
    assert not any(is_alive(pid) for pid in processes)
    assert left_behind(home, runs) == []


def test_ended_containers_leave_no_zombie(engine: EmbeddedEngine) -> None:
    for _ in range(5):
        support.run(engine, Wanted(command="sleep 60 & sleep 0.01"))
    until(lambda: not [pid for pid in descendants(os.getpid()) if not is_alive(pid)])


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


def test_a_start_leaves_no_descriptor_open(engine: EmbeddedEngine) -> None:
    support.run(engine, Wanted(command="true"))
    before = open_descriptors()
    support.run(engine, Wanted(command="true", port=5000))
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_failed_start_says_why_and_gives_everything_back(
    engine: EmbeddedEngine, home: Path
) -> None:
    (home / "store/layers/lower").rename(home / "store/layers/moved")
    before = open_descriptors()
    with pytest.raises(ContainerStartError) as caught:
        started(engine, "true", port=5000)
    assert caught.value.brief == "The container web.1 could not be started"
    assert "mount" in caught.value.details
    assert open_descriptors() == before
    assert [path.name for path in (home / "run").glob("*/web*")] == []


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.02, 0.04, 0.3])
def test_kill_9_of_slug_run_leaves_no_process(home: Path, moment: float) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from tests.integration.embedded_support import *\n"
        f"with make_engine(Path({str(home)!r})) as engine:\n"
        "    start(engine, Wanted(command='setsid sleep 321 & sleep 321', port=5000), 2)\n"
        "    print('ready', flush=True)\n"
        "    start(engine, Wanted(command='setsid sleep 321 & sleep 321', ordinal=2), 2)\n"
        "    time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, cwd=support.CHECKOUT, stdout=subprocess.PIPE) as slug_run:
        assert slug_run.stdout is not None
        assert slug_run.stdout.readline() == b"ready\n"
        time.sleep(moment)
        processes = descendants(slug_run.pid)
        slug_run.send_signal(signal.SIGKILL)
    assert len(processes) >= 5
    until(lambda: not any(is_alive(pid) for pid in processes), timeout=2)
    until(lambda: not find_strays(home), timeout=2)
    runs = run_ids(home)
    assert left_behind(home, runs) != []
    with support.make_engine(home):
        pass
    assert left_behind(home, runs) == []


def find_strays(home: Path) -> list[bytes]:
    """Processes that still name the run: containers being started are not yet anybody's child."""
    word = str(home).encode()
    me = os.getpid()
    lines = {int(path.parent.name): read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [line for pid, line in lines.items() if word in line and pid != me]


# Speed


@pytest.mark.parametrize("starter", STARTERS)
def test_start_is_quick(starter: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = [Wanted(command="true", ordinal=number) for number in range(1, 12)]
    happened: list[Happened] = carry_out(starter, Limits(), plan)[0]
    median = statistics.median(each.milliseconds for each in happened)
    with capsys.disabled():
        print(f"\nembedded, started by {starter}: {median:.1f} ms to the first instruction")
    assert median < 250  # on an idle machine about 20; this bound is for a loaded one
