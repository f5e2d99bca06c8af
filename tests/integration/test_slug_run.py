"""`slug-run` as a person uses it: a real slug, real processes, on each engine of this machine."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pexpect
import pytest

from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import SlugFacts
from slugc.stack import read_host_stack
from slugc.store import Store

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER = """\
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(9)
        body = (os.environ["DYNO"] + " " + os.environ.get("GREETING", "-")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listening on", os.environ["PORT"], flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
TYPES = {
    "web": "python3 server.py",
    "broken": "python3 -c 'import nothing_like_it'",
    "worker": "python3 -c 'import time; print(\"working\", flush=True); time.sleep(600)'",
    "deaf": "trap '' TERM; echo deaf; while :; do sleep 1; done",
    "args": "printf '<%s>'",
}
WEB_ALONE = {ProcessType("web"): "true"}
ENGINES = [
    pytest.param("host", id="host"),
    pytest.param("embedded", id="embedded", marks=pytest.mark.embedded),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlugRun:
    """Starts slug-run on one engine, in a directory with one slug."""

    engine: str
    directory: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "SLUGKIT_HOME": str(self.directory / "home"),
            "SLUG_RUN_ENGINE": self.engine,
            "PYTHONPATH": str(ROOT),
        }

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "runner.main", *words]

    def run(
        self, *words: str, stdin: bytes | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv("run", *words),
            cwd=self.directory,
            env=self.env,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    @contextlib.contextmanager
    def started(self, *words: str) -> Iterator[Started]:
        with (
            (self.directory / "out").open("wb") as out,
            (self.directory / "err").open("wb") as err,
            subprocess.Popen(
                self.argv(*words), cwd=self.directory, env=self.env, stdout=out, stderr=err
            ) as process,
        ):
            try:
                yield Started(process=process, directory=self.directory)
            finally:
                process.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A slug-run in the background."""

    process: subprocess.Popen[bytes]
    directory: Path

    @property
    def log(self) -> str:
        return (self.directory / "out").read_text()

    @property
    def notices(self) -> str:
        return (self.directory / "err").read_text()

    def wait_for(self, pattern: str, *, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.log + self.notices):
            assert time.monotonic() < deadline, self.log + self.notices
            assert self.process.poll() is None, self.log + self.notices
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@pytest.fixture(scope="module", params=ENGINES)
def slug_run(request: pytest.FixtureRequest, session_dir: Path) -> SlugRun:
    directory = session_dir / f"slug-run-{request.param}"
    tree = directory / "tree"
    (tree / ".profile.d").mkdir(parents=True)
    (tree / "server.py").write_text(SERVER)
    (tree / ".profile.d" / "a.sh").write_text('export GREETING="${GREETING:-profile}"\n')
    facts = SlugFacts(
        name="tiny",
        stack=read_host_stack(),
        buildpacks=(),
        process_types={ProcessType(name): command for name, command in TYPES.items()},
        config_vars={},
    )
    write_slug(tree, directory / "tiny.slug", facts=facts, store=Store(directory / "pack"))
    return SlugRun(engine=request.param, directory=directory)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def get(port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def processes_named(marker: str) -> list[int]:
    """Processes whose environment or command line holds ``marker``."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (
                marker.encode() in (entry / "environ").read_bytes()
                or marker.encode() in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
    return found


def test_two_web_containers_answer_on_one_port_and_stop_cleanly(
    slug_run: SlugRun, port: int
) -> None:
    marker = f"canary-{port}"
    words = ("web", "--count", "2", "--port", str(port), "--env", f"GREETING={marker}")
    with slug_run.started(*words) as run:
        run.wait_for("tiny is up at")
        answers = {get(port) for _ in range(40)}
        assert answers == {f"web.1 {marker}", f"web.2 {marker}"}
        assert run.stop() == 130
        assert run.notices.startswith("Booting tiny (slug ")
        assert f"web.1 web.2 at http://localhost:{port}\n" in run.notices
        for name in ("web.1", "web.2"):
            assert f"slug-run[{name}] | State changed from starting to up" in run.log
            assert f"slug-run[{name}] | Stopping all processes with SIGTERM" in run.log
            assert f"slug-run[{name}] | Process exited with status 0" in run.log
        assert re.search(r"^\d\d:\d\d:\d\d app\[web\.1\] +\| listening on \d+$", run.log, re.M)
    assert processes_named(marker) == []


def test_a_slug_for_another_machine_is_refused(slug_run: SlugRun) -> None:
    stack = replace(read_host_stack(), arch="s390x")
    facts = SlugFacts(
        name="far", stack=stack, buildpacks=(), process_types=WEB_ALONE, config_vars={}
    )
    far = slug_run.directory / "far"
    store = Store(slug_run.directory / "pack")
    write_slug(slug_run.directory / "tree", far, facts=facts, store=store)
    done = slug_run.run("--slug", "far", "echo", "ran")
    assert (done.returncode, done.stdout) == (65, b"")
    assert "Error: The slug far was built for another stack" in done.stderr.decode()
    assert f"architecture: the slug needs s390x, this is {os.uname().machine}" in (
        done.stderr.decode()
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content[: len(content) // 2], "is cut short"),
        (lambda content: content[:100] + b"spoilt" + content[106:], "is damaged"),
    ],
    ids=["cut", "flipped"],
)
def test_a_spoilt_slug_is_refused_and_nothing_of_it_stays(
    slug_run: SlugRun, spoil: Callable[[bytes], bytes], said: str
) -> None:
    facts = SlugFacts(
        name="spoilt",
        stack=read_host_stack(),
        buildpacks=(),
        process_types=WEB_ALONE,
        config_vars={},
    )
    tree, spoilt = slug_run.directory / f"tree {said}", slug_run.directory / "spoilt"
    tree.mkdir()
    (tree / "data").write_text(f"{said} " * 1000 + slug_run.engine)
    write_slug(tree, spoilt, facts=facts, store=Store(slug_run.directory / "pack"))
    spoilt.write_bytes(spoil(spoilt.read_bytes()))
    layers = slug_run.directory / "home/store/layers"
    before = list(layers.iterdir()) if layers.exists() else []
    done = slug_run.run("--slug", "spoilt", "echo", "ran")
    assert (done.returncode, done.stdout) == (65, b""), done.stderr
    assert f"Error: The slug {spoilt} {said}" in done.stderr.decode()
    assert (list(layers.iterdir()) if layers.exists() else []) == before


def test_a_crashed_container_comes_back_and_the_other_serves_meanwhile(
    slug_run: SlugRun, port: int
) -> None:
    with slug_run.started("web=2", "--port", str(port)) as run:
        run.wait_for("tiny is up at")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            get(port, "/die")
        answers: list[str] = []
        deadline = time.monotonic() + 30
        while len(answers) < 20 and time.monotonic() < deadline:
            # For a moment after it is told of other servers, a lone Caddy tries no second one.
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                answers.append(get(port))
        assert len(answers) == 20
        assert all(answer.startswith("web.") for answer in answers)
        run.wait_for(r"State changed from up to crashed[\s\S]*State changed from starting to up")
        assert run.log.count("State changed from up to crashed") == 1, "it was asked of one alone"
        assert "Process exited with status 9" in run.log
        assert run.stop(signal.SIGTERM) == 143


def test_a_web_that_cannot_boot_ends_the_run_with_its_code(slug_run: SlugRun) -> None:
    done = subprocess.run(
        slug_run.argv("start", "worker", "broken", "--exit-on-crash"),
        cwd=slug_run.directory,
        env=slug_run.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'nothing_like_it'" in done.stdout
    assert done.stderr.endswith("broken.1 ended.\n")


def test_a_process_deaf_to_sigterm_is_killed(slug_run: SlugRun) -> None:
    with slug_run.started("deaf", "--stop-timeout", "1") as run:
        run.wait_for(r"app\[deaf\.1\] +\| deaf")
        began = time.monotonic()
        assert run.stop() == 130
        assert 0.9 < time.monotonic() - began < 25
        assert "Error R12 (Exit timeout)" in run.log
        assert "Process exited with status 137" in run.log


def test_a_taken_port_is_refused_before_anything_starts(slug_run: SlugRun) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with slug_run.started("web", "--port", str(taken)) as run:
            assert run.process.wait(timeout=30) == 75
            assert f"Port {taken} is already in use" in run.notices
            assert run.log == ""


def test_a_one_off_gives_its_own_exit_code_home_and_name(slug_run: SlugRun) -> None:
    done = slug_run.run("--quiet", 'echo "$DYNO ${PORT-none} $PWD = $HOME $GREETING"; exit 7')
    assert done.returncode == 7
    found = re.fullmatch(r"run\.\d{4} none (\S+) = (\S+) profile\n", done.stdout.decode())
    assert found is not None
    assert found[1] == found[2]
    if slug_run.engine == "embedded":
        assert found[1] == "/app"


@pytest.mark.parametrize(
    ("words", "code"), [(("no-such-program",), 127), (("kill -9 $$",), 137), (("false",), 1)]
)
def test_a_one_off_reports_how_it_ended(
    slug_run: SlugRun, words: tuple[str, ...], code: int
) -> None:
    assert slug_run.run("--", *words).returncode == code


def test_a_one_off_takes_a_process_type_and_more_words(slug_run: SlugRun) -> None:
    done = slug_run.run("args", "--", "a b", "$HOME")
    assert done.stdout == b"<--><a b><$HOME>"
    assert slug_run.run("args", "1", "2").stdout == b"<1><2>"


def test_a_one_off_is_clean_of_our_words_and_keeps_streams_apart(slug_run: SlugRun) -> None:
    done = slug_run.run("echo out; echo err >&2")
    assert done.stdout == b"out\n"
    assert done.stderr.endswith(b"err\n")
    assert b"Running `echo out; echo err >&2` in run." in done.stderr


def test_ten_megabytes_go_both_ways_unharmed(slug_run: SlugRun) -> None:
    payload = os.urandom(10_000_000)
    done = slug_run.run("--quiet", "cat", stdin=payload)
    assert done.returncode == 0
    assert done.stdout == payload


def test_a_one_off_ends_when_nobody_reads_it(slug_run: SlugRun) -> None:
    with subprocess.Popen(
        slug_run.argv("run", "--quiet", "yes"),
        cwd=slug_run.directory,
        env=slug_run.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(timeout=30) in {1, 141}


def test_a_terminal_is_real_and_put_back(slug_run: SlugRun) -> None:
    program = "stty size; test -t 0 && test -t 1 && echo both; read word; echo got $word"
    child = pexpect.spawn(
        slug_run.argv("run", "--quiet", program)[0],
        slug_run.argv("run", "--quiet", program)[1:],
        cwd=str(slug_run.directory),
        env={**slug_run.env, "TERM": "xterm"},
        dimensions=(33, 77),
        timeout=30,
    )
    child.expect_exact("33 77")
    child.expect_exact("both")
    child.sendline("hello")
    child.expect_exact("got hello")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_resized_terminal_is_passed_on(slug_run: SlugRun) -> None:
    argv = slug_run.argv(
        "run", "-q", "trap 'stty size' WINCH; echo go; while :; do sleep 0.1; done"
    )
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(slug_run.directory), env=slug_run.env, timeout=30
    )
    child.expect_exact("go")
    child.setwinsize(40, 100)
    child.expect_exact("40 100")
    time.sleep(0.3)  # bash survives a Ctrl-C that its trap's own command, stty, has survived
    child.sendcontrol("c")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


def test_the_terminal_is_sane_again_after_a_signal(slug_run: SlugRun) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with subprocess.Popen(
        slug_run.argv("run", "-q", "echo ready; sleep 60"),
        cwd=slug_run.directory,
        env=slug_run.env,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        shown = b""
        while b"ready" not in shown:
            shown += os.read(master, 1000)
        assert termios.tcgetattr(slave)[3] != before[3]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_a_killed_slug_run_leaves_nothing_behind(slug_run: SlugRun, port: int) -> None:
    marker = f"killed-{port}"
    with slug_run.started("web", "--port", str(port), "--env", f"GREETING={marker}") as run:
        run.wait_for("tiny is up at")
        run.process.kill()
        run.process.wait()
        deadline = time.monotonic() + 3
        while processes_named(marker) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert processes_named(marker) == []
    assert slug_run.run("true").returncode == 0
    assert list((slug_run.directory / "home" / "run").glob("*/lock")) == []
