"""``slug-run top`` at a real pseudo-terminal, over real containers."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from runner.state.state import opened_state
from slugc.privileges import data_dir
from tests.integration.supervision_support import ROOT, Site, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?7h\x1b[?25h\x1b[?1049l"


@pytest.fixture(scope="module")
def site(open_dir_of_module: Path) -> Iterator[Site]:
    """Deployed, and running or not as each test has it."""
    found = deployed(open_dir_of_module / "site", port=free_port())
    yield found
    found.must("stop")


@pytest.fixture(scope="module")
def open_dir_of_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("top")
    for each in (found, *found.parents[:3]):  # one more when the suite runs in several processes
        each.chmod(0o755)
    return found


class Top:
    """A ``slug-run top`` with a terminal of its own."""

    def __init__(self, env: Mapping[str, str], *, rows: int = 24, columns: int = 80) -> None:
        self.ours, self.theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.theirs)
        # Who leads a session and opens a terminal has it: Ctrl-C and Ctrl-Z are signals then.
        shell = ("sh", "-c", 'exec "$@" <>"$0" >&0 2>&1', os.ttyname(self.theirs))
        self.process = subprocess.Popen(
            (*shell, sys.executable, "-m", "runner.main", "top", "--interval", "0.3"),
            env={**env, "TERM": "xterm-256color", "PYTHONUTF8": "1"},
            cwd="/",
            start_new_session=True,
        )
        self.shown = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def read(self, seconds: float = 0.0) -> str:
        while select.select([self.ours], [], [], seconds)[0]:
            self.shown += os.read(self.ours, 65536).decode("utf-8", "replace")
        return self.shown

    def await_text(self, pattern: str) -> str:
        """The newest whole picture, once it has that in it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read(0.05)
            picture = bare(self.shown.rpartition("\x1b[H")[2])
            if re.search(pattern, picture):
                return picture
        raise AssertionError(f"never saw {pattern}: {self.shown[-2000:]!r}")

    def end(self) -> int:
        """Its exit code; the terminal must be as it was."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.05)
        self.read(0.05)
        assert self.process.returncode is not None
        assert termios.tcgetattr(self.theirs) == self.before
        assert self.shown.count(ENTER) == self.shown.count(LEAVE)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=PATIENCE)
        os.close(self.ours)
        os.close(self.theirs)


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A data directory with an app that was never deployed."""
    home = str(tmp_path / "home")
    with opened_state(data_dir({"SLUGKIT_HOME": home})) as state:
        state.create_app("polls")
    return {"PATH": os.environ["PATH"], "SLUGKIT_HOME": home, "USER": "me", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def top(env: dict[str, str]) -> Iterator[Top]:
    made = Top(env)
    yield made
    made.close()


def test_q_ends_it_and_gives_the_terminal_back(top: Top) -> None:
    top.await_text("polls is not running: slug-run start -d --app polls")
    top.type("q")
    assert top.end() == 0
    assert top.shown.endswith(LEAVE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_gives_the_terminal_back(top: Top, number: signal.Signals) -> None:
    top.await_text("polls is not running")
    top.process.send_signal(number)
    assert top.end() == 128 + number


def test_ctrl_c_ends_it_and_gives_the_terminal_back(top: Top) -> None:
    top.await_text("polls is not running")
    top.type("\x03")
    assert top.end() == 130


def test_ctrl_z_gives_the_terminal_back_for_as_long_as_it_stands_still(top: Top) -> None:
    top.await_text("polls is not running")
    top.type("\x1a")
    until(lambda: state_of(top.process.pid) == "T")
    assert top.read(0.05).endswith(LEAVE)
    assert termios.tcgetattr(top.theirs) == top.before
    top.process.send_signal(signal.SIGCONT)
    until(lambda: top.read(0.05).count(ENTER) == 2)
    top.type("q")
    assert top.end() == 0


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_an_error_ends_it_with_words_on_the_terminal_as_it_was(
    env: dict[str, str], top: Top
) -> None:
    top.await_text("polls is not running")
    with opened_state(Path(env["SLUGKIT_HOME"])) as state:
        state.destroy_app(state.app("polls"))
    assert top.end() == 64
    assert "Error: " in top.shown.rpartition(LEAVE)[2]


def test_where_there_is_no_terminal_there_is_one_picture(site: Site) -> None:
    site.must("stop")
    said = site.must("top")
    assert "\x1b" not in said.out
    assert said.out.splitlines()[-1] == "polls is not running: slug-run start -d --app polls"


def test_containers_are_shown_live_sorted_scrolled_and_resized(site: Site) -> None:
    site.start("web=2", "idle=12")
    top = Top(site.env, rows=14, columns=80)
    try:
        picture = top.await_text(r"web\.1 ")
        assert re.search(r"polls v1  http://localhost:\d+  14 up +\d\d:\d\d:\d\d$", picture, re.M)
        assert re.search(r"^web\.1 +up +[\d.]+% .* +[\d.]+M/512M +0 ", picture, re.M)
        assert "1-8 of 14" in picture
        for _ in range(40):
            site.get()
        top.await_text(r"requests [1-9]|web\.[12] +up .*M/512M +[1-9]")
        top.type("jj")
        top.await_text("sort: memory")
        top.type("kk\x1b[F")
        top.await_text("7-14 of 14")
        top.resize(12, 40)
        picture = top.await_text(r"REQ/S|MEM +RST")
        assert max(map(len, picture.splitlines())) <= 40
        site.must("scale", "idle=1")
        top.await_text(r"3 up")
        top.type("q")
        assert top.end() == 0
    finally:
        top.close()
    plain = site.must("top", "--once").out
    assert re.search(r"^idle\.1 +up +[\d.]+% .*standard-1x$", plain, re.M)
    found = json.loads(site.must("top", "--json").out)
    assert [each["name"] for each in found["containers"]] == ["web.1", "web.2", "idle.1"]
    assert found["containers"][0]["requests"].keys() >= {"per_second", "p50_ms", "p95_ms"}
    assert found["containers"][2]["requests"] is None
    assert found["containers"][0]["memory_bytes"] > 1_000_000


def test_colours_are_left_out_when_nobody_wants_them(site: Site) -> None:
    top = Top({**site.env, "NO_COLOR": "1"})
    try:
        top.await_text("polls v1")
        top.type("q")
        assert top.end() == 0
        assert re.findall(r"\x1b\[[0-9;]*m", top.shown) == []
    finally:
        top.close()


def test_one_offs_are_shown_as_well(site: Site) -> None:
    site.must("run", "--detach", "sleep", "100000")
    try:
        found = json.loads(site.must("top", "--json").out)
        (one_off,) = [each for each in found["containers"] if each["name"].startswith("run.")]
        assert one_off["state"] == "up"
        assert one_off["memory_bytes"] > 0
        assert one_off["cpu_percent"] is not None
    finally:
        site.must("stop", "run")
