"""keeper: descriptors outlive the supervisor, which is started again until it means to end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.supervision.fd_store import keeper_argv
from runner.supervision.keeper import LONGEST_PAUSE, Keeper, pause_before
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[4]

# A supervisor that stores a pipe the first time, is killed, and reads from it the second time.
SUPERVISOR = """
import os, signal, socket, sys
sys.path.insert(0, {root!r})
from runner.supervision.fd_store import KeptFds, inherited, ready_for_signals
at = sys.argv.index("--keeper") + 1
fds = KeptFds(socket.socket(fileno=int(sys.argv[at])), inherited(sys.argv[at + 1 :]))
def say(text):
    with open({said!r}, "a") as said:
        said.write(text)
{body}
"""


def run_keeper(tmp_path: Path, body: str) -> tuple[subprocess.Popen[bytes], Path]:
    said = tmp_path / "said"
    script = SUPERVISOR.format(root=str(ROOT), said=str(said), body=body)
    argv = keeper_argv({}, [sys.executable, "-c", script])
    return subprocess.Popen(argv, stderr=subprocess.PIPE, start_new_session=True), said


def ended(keeper: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    try:
        _, errors = keeper.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(keeper.pid, signal.SIGKILL)
        raise
    return keeper.returncode, errors


def test_a_killed_supervisors_successor_has_its_descriptors(tmp_path: Path) -> None:
    body = """
if fds.get("pipe") is None:
    reader, writer = os.pipe()
    os.write(writer, b"kept")
    fds.store("pipe", reader)
    fds.store("gone", writer)
    fds.drop("gone")
    os.kill(os.getpid(), signal.SIGKILL)
say(f"{sorted(fds.names)} {os.read(fds.get('pipe'), 9)}")
"""
    keeper, said = run_keeper(tmp_path, body)
    assert ended(keeper) == (0, b"")
    assert said.read_text() == "['pipe'] b'kept'"


def test_whatever_else_it_ends_with_it_is_started_again(tmp_path: Path) -> None:
    body = """
say("x")
sys.exit(0 if os.path.getsize(%r) == 4 else 3)
"""
    keeper, said = run_keeper(tmp_path, body % str(tmp_path / "said"))
    assert ended(keeper) == (0, b"")
    assert said.read_text() == "xxxx"


def test_sigterm_is_passed_on_and_ends_both(tmp_path: Path) -> None:
    body = """
def leave(*_):
    say("left")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
ready_for_signals()
say("here ")
while True:
    signal.pause()
"""
    keeper, said = run_keeper(tmp_path, body)
    wait_for(keeper, said, "here ")
    keeper.send_signal(signal.SIGTERM)
    assert ended(keeper) == (0, b"")
    assert said.read_text() == "here left"


def test_a_supervisor_whose_keeper_is_killed_becomes_one(tmp_path: Path) -> None:
    body = """
import select
if fds.get("pipe") is None:
    reader, writer = os.pipe()
    os.write(writer, b"kept")
    fds.store("pipe", reader)
    say(f"{os.getpid()} ")
    select.select([fds.keeper], [], [])
    argv = [sys.executable, "-c", __import__("sys").orig_argv[2]]
    fds.become_keeper(argv, os.environ)
say(f"{os.getppid()} {os.read(fds.get('pipe'), 9)}")
"""
    keeper, said = run_keeper(tmp_path, body)
    wait_for(keeper, said, " ")
    keeper.kill()
    assert ended(keeper)[0] == -signal.SIGKILL
    wait_for(keeper, said, "kept")
    first, parent, content = said.read_text().split()
    assert (parent, content) == (first, "b'kept'")


def wait_for(keeper: subprocess.Popen[bytes], said: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (said.exists() and text in said.read_text()):
        if time.monotonic() > deadline:
            os.killpg(keeper.pid, signal.SIGKILL)
            keeper.communicate()
            pytest.fail(f"{text!r} was never said")
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("quick", "pause"), [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.2), (4, 0.4), (60, LONGEST_PAUSE)]
)
def test_quick_ends_make_pauses_that_grow(quick: int, pause: float) -> None:
    assert pause_before(quick) == pause


def test_it_imports_nothing_of_ours_and_little_else() -> None:
    program = ROOT / "runner" / "supervision" / "keeper.py"
    script = (
        f"import sys; exec(compile(open({str(program)!r}).read(), 'keeper', 'exec'),"
        " {'__name__': 'keeper'}); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not {name for name in loaded if name.partition(".")[0] in {"runner", "buildpack"}}
    assert not loaded & {"subprocess", "json", "re", "ctypes", "typing", "pathlib"}


def test_what_it_is_started_with(tmp_path: Path) -> None:
    argv = keeper_argv({"lock": 5}, ["python", "-m", "x"])
    assert argv[1:3] == ["-I", "-S"]
    assert argv[3].endswith("keeper.py")
    assert argv[4:] == ["lock=5", "--", "python", "-m", "x"]
    assert os.access(argv[3], os.R_OK)


READY = """
def leave(*_):
    say("left")
    sys.exit(0)
def be_ready():
    signal.signal(signal.SIGTERM, leave)
    ready_for_signals()
"""


def test_sigterm_waits_for_a_supervisor_that_is_not_ready_yet(tmp_path: Path) -> None:
    body = f"""
{READY}
say("here ")
import time
until = time.monotonic() + 0.5
while time.monotonic() < until:
    time.sleep(0.1)
be_ready()
signal.pause()
"""
    keeper, said = run_keeper(tmp_path, body)
    wait_for(keeper, said, "here ")
    keeper.send_signal(signal.SIGTERM)
    assert ended(keeper) == (0, b"")
    assert said.read_text() == "here left"


def test_sigterm_between_two_supervisors_reaches_the_next_one_at_once(tmp_path: Path) -> None:
    """Nobody else ends containers gently."""
    body = f"""
{READY}
say("x")
if os.path.getsize({str(tmp_path / "said")!r}) < 7:
    sys.exit(3)
be_ready()
signal.pause()
"""
    keeper, said = run_keeper(tmp_path, body)
    wait_for(keeper, said, "xxxxxx")
    keeper.send_signal(signal.SIGTERM)
    assert ended(keeper) == (0, b"")
    assert said.read_text() == "xxxxxxxleft"


def test_without_room_for_a_process_it_waits_until_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def fork() -> int:
        asked.append(1)
        if len(asked) < 3:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return 4321

    monkeypatch.setattr("os.fork", fork)
    monkeypatch.setattr("time.sleep", lambda _: None)
    found = Keeper({}, ["/bin/true"])
    found._start().close()
    assert (len(asked), found.pid) == (3, 4321)


def test_a_supervisor_that_was_cleared_away_takes_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(pid: int, number: int) -> None:
        raise ProcessLookupError(pid)

    monkeypatch.setattr("os.kill", kill)
    found = Keeper({}, ["/bin/true"])
    found.pid = 4321
    found._pass_on(signal.SIGTERM, None)
    assert found.stopping


def test_it_may_hold_as_many_descriptors_as_its_supervisor(tmp_path: Path) -> None:
    """One or two for each container; 1024, the usual limit, is soon reached."""
    body = """
import resource
numbers = [int(n) for n in fds.names]
say(f"{len(numbers)} ")
if len(numbers) < 1100:
    reader, writer = os.pipe()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    for n in range(1100):
        fds.store(str(n), os.dup(reader))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the machine allows no more")
    limited = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        keeper_process, said = run_keeper(tmp_path, body)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limited)
    assert ended(keeper_process) == (0, b"")
    assert said.read_text() == "0 1100 "


def test_a_supervisor_that_dies_of_stopping_is_not_tried_for_ever(tmp_path: Path) -> None:
    body = f"""
{READY}
def leave(*_):
    say("x")
    os._exit(4)
be_ready()
say("here ")
signal.pause()
"""
    keeper, said = run_keeper(tmp_path, body)
    wait_for(keeper, said, "here ")
    keeper.send_signal(signal.SIGTERM)
    assert ended(keeper) == (4, b"")
    assert said.read_text().replace("here ", "") == "xxx"
