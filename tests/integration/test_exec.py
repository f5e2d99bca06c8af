"""`slug-run exec`: one more process in a container of an app that is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from buildpack.environment import PROFILE_SCRIPT
from buildpack.support.hierarchies import find_hierarchies
from tests.integration.supervision_support import (
    Site,
    command_lines,
    deployed,
    environ,
)
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

NAMESPACES = "readlink /proc/self/ns/{cgroup,ipc,mnt,net,pid,user,uts}"
STATUS = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status"
LIMITS = "ulimit -a; umask"


@pytest.fixture(scope="module")
def site(session_dir: Path) -> Iterator[Site]:
    files = {
        "Procfile": "web: exec /usr/bin/python3 server.py\n"
        f"walls: {{ {NAMESPACES}; {STATUS}; {LIMITS}; }} > /tmp/walls; exec sleep 1000\n"
        "brief: while [ ! -e /tmp/end ]; do sleep 0.05; done; sleep 0.2\n"
        "broken: exit 3\n",
        "server.py": "import os, socket, time\n"
        "server = socket.create_server(('', int(os.environ['PORT'])))\n"
        "time.sleep(10000)\n",
        ".profile": f"export FROM_PROFILE=yes\n{PROFILE_SCRIPT.read_text()}",
    }
    found = deployed(session_dir / "exec", port=free_port(), files=files)
    found.release("green")
    try:
        found.start("web", "walls", "brief")
        yield found
    finally:
        found.must("stop")


def inside(
    site: Site, *words: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        argv(*words),
        env=site.env,
        cwd="/",
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=60,
        check=False,
    )


def argv(*words: str) -> list[str]:
    return [sys.executable, "-m", "runner.main", "exec", *words]


def text(site: Site, *words: str) -> str:
    done = inside(site, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def spawned(site: Site, *words: str) -> pexpect.spawn[bytes]:
    first, *rest = argv(*words)
    env = {**site.env, "TERM": "xterm"}
    return pexpect.spawn(first, rest, env=env, cwd="/", dimensions=(33, 77), timeout=30)


def marked(marker: str) -> list[int]:
    """Processes on whose command line the marker is, but not those that were asked for it."""
    return [pid for pid, line in command_lines().items() if line.startswith(f"sleep\0{marker}")]


def test_our_profile_script_says_its_line_to_the_app_alone(site: Site) -> None:
    said = inside(site, "web.1", "echo $WEB_CONCURRENCY; exit 3")
    assert (said.returncode, said.stderr) == (3, b"")
    assert int(said.stdout) >= 1
    assert site.log("-d", "web.1").count("Python buildpack: WEB_CONCURRENCY=") == 1


def test_it_has_the_containers_environment_after_the_profile_scripts(site: Site) -> None:
    said = text(site, "web.1", "--", "sh", "-c", 'echo "$DYNO $PORT $COLOR $FROM_PROFILE $PWD"')
    assert said == "web.1 5000 green yes /app\n"
    assert text(site, "walls.1", "echo $DYNO ${PORT-none}") == "walls.1 none\n"


def test_it_is_in_the_containers_own_namespaces_with_its_rights_and_limits(site: Site) -> None:
    expected = text(site, "walls.1", "cat /tmp/walls")
    assert len(re.findall(r"^\w+:\[\d+\]$", expected, re.M)) == 7
    assert "CapBnd:\t0000000000000000" in expected
    found = text(site, "walls.1", f"{NAMESPACES}; {STATUS}; {LIMITS}")
    assert found == expected


def test_its_streams_can_be_opened_by_name(site: Site) -> None:
    program = "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin"
    done = inside(site, "web.1", program, stdin=b"in")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\nin", b"err\n")


def test_it_holds_no_descriptor_but_its_three_streams(site: Site) -> None:
    with Path(os.devnull).open("rb") as spare:
        os.set_inheritable(spare.fileno(), True)
        done = subprocess.run(
            argv("web.1", "ls", "/proc/self/fd"),
            env=site.env, cwd="/", capture_output=True, timeout=60, check=True,
            stdin=subprocess.DEVNULL, pass_fds=(spare.fileno(),),
        )  # fmt: skip
    # The fourth is ls's own.
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]


@pytest.mark.skipif(os.getuid() != 0 and find_hierarchies() is None, reason="no control groups")
def test_it_counts_among_the_containers_processes_and_memory(site: Site) -> None:
    token = records(site)["web.1"]["token"]
    for name in ("pids", "memory"):
        group = Path(token["groups"][name])
        tasks = group / ("tasks" if (group / "tasks").exists() else "cgroup.procs")
        before = set(tasks.read_text().split())

        def fresh(tasks: Path = tasks, before: set[str] = before) -> set[str]:
            return set(tasks.read_text().split()) - before

        with subprocess.Popen(
            argv("web.1", "echo in; sleep 4711"),
            env=site.env, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == b"in\n"
            try:
                until(lambda: [names(pid) for pid in fresh()] == ["sleep"])
            finally:
                process.terminate()


def names(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""


def records(site: Site) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    (directory,) = (site.home / "run").glob("embedded-*/records")
    found = [json.loads(path.read_text()) for path in directory.glob("*-*.json")]
    return {f"{each['process_type']}.{each['ordinal']}": each for each in found}


def test_a_fork_bomb_in_there_is_held_by_the_containers_limit(site: Site) -> None:
    bomb = (
        "import os, time\n"
        "count = 0\n"
        "try:\n"
        "    while count < 2000:\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "        count += 1\n"
        "except BlockingIOError: print(count < 300)\n"
    )
    done = inside(site, "walls.1", "exec python3 -", stdin=bomb.encode())
    assert done.stdout == b"True\n"
    assert text(site, "walls.1", "echo fine") == "fine\n"  # all of them have gone with it


@pytest.mark.parametrize(
    ("words", "code"),
    [(("exit 7",), 7), (("--", "no-such-program"), 127), (("/etc/passwd",), 126),
     (("kill -9 $$",), 137)],
)  # fmt: skip
def test_it_reports_how_the_command_ended(site: Site, words: tuple[str, ...], code: int) -> None:
    assert inside(site, "web.1", *words).returncode == code


def test_ten_megabytes_go_both_ways_unharmed(site: Site) -> None:
    payload = os.urandom(10_000_000)
    assert inside(site, "web.1", "cat", stdin=payload).stdout == payload


def test_streams_are_kept_apart_and_free_of_our_words(site: Site) -> None:
    done = inside(site, "web.1", "echo out; echo err >&2; test -t 0 || echo none")
    assert (done.stdout, done.stderr) == (b"out\nnone\n", b"err\n")


def test_without_a_command_it_is_a_shell_on_a_real_terminal(site: Site) -> None:
    child = spawned(site, "web.1")
    child.sendline("stty size; echo $DYNO-$TERM")
    child.expect_exact("33 77")
    child.expect_exact("web.1-xterm")
    child.sendline("trap 'stty size' WINCH; echo ready")
    child.expect_exact("ready\r\n")
    child.setwinsize(40, 100)
    # Told between two looks of its readline, bash runs the trap when a line has come.
    until(lambda: child.sendline("") and child.expect_exact(["40 100", pexpect.TIMEOUT], 1) == 0)
    child.sendline("sleep 4712")
    until(lambda: bool(marked("4712")))
    child.sendcontrol("z")  # job control
    child.expect_exact("Stopped")
    child.expect_exact("$ ")
    child.sendline("fg")
    child.expect_exact("sleep 4712\r\n")
    child.sendcontrol("c")
    child.sendline("echo still here; exit 5")
    child.expect_exact("still here\r\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5
    until(lambda: not marked("4712"))


def test_its_terminal_has_a_name_in_there(site: Site) -> None:
    child = spawned(site, "web.1", "tty; stty -a </dev/tty | head -1; ls -l $(tty)")
    child.expect(rb"/dev/pts/\d+\r\n")
    child.expect_exact("rows 33; columns 77")
    child.expect(rb"crw--w---- 1 app ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_four_times_ctrl_c_end_what_is_deaf(site: Site) -> None:
    child = spawned(site, "web.1", "trap '' INT TERM; echo deaf; while :; do sleep 0.1; done")
    child.expect_exact("deaf")
    for _ in range(4):
        child.sendcontrol("c")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 137


def test_it_ends_with_its_container(site: Site) -> None:
    with subprocess.Popen(
        argv("brief.1", "touch /tmp/end; exec sleep 4713"), env=site.env, cwd="/",
        stdin=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.wait(timeout=30) == 137
    until(lambda: not marked("4713"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_it_ends_with_slug_run_however_that_ends(site: Site, number: signal.Signals) -> None:
    command = "sleep 4714 & trap '' HUP; echo begun; wait; sleep 4714"
    with subprocess.Popen(
        argv("--stop-timeout", "1", "web.1", command), env=site.env, cwd="/",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        begin = time.monotonic()
        process.wait(timeout=30)
        until(lambda: not marked("4714"))
        assert time.monotonic() - begin < 20
    assert site.containers()["web.1"]["state"] == "up"


def test_what_begins_a_session_of_its_own_stays_in_the_container(site: Site) -> None:
    begun = "until grep -q sleep /proc/$!/comm; do sleep 0.05; done"
    text(site, "walls.1", f"setsid sleep 4715 >/dev/null 2>&1 & {begun}")
    try:
        until(lambda: len(marked("4715")) == 1)
    finally:
        text(site, "walls.1", "pkill -f '^sleep 4715'; true")
    until(lambda: not marked("4715"))


def test_it_leaves_no_process_and_no_zombie_behind(site: Site) -> None:
    before = set(command_lines())
    for _ in range(5):
        text(site, "web.1", "true")
    rest = {pid: line for pid, line in command_lines().items() if pid not in before}
    own = f"SLUGKIT_HOME={site.home}\0"  # other copies of these tests run beside this one
    left = [x for x, line in rest.items() if "runner.main\0exec" in line and own in environ(x)]
    assert not left


@pytest.mark.parametrize(
    ("words", "env", "code", "said"),
    [
        (("web.9", "ls"), {}, 64, "polls has no container called 'web.9'"),
        (("web", "ls"), {}, 64, "It has: "),
        ((), {}, 64, "Missing argument 'TYPE.N'"),
        (("web.1", "x" * 70_000), {}, 64, "The command is 70000 bytes long"),
        (("-a", "blogs", "web.1", "ls"), {}, 64, "There is no app called 'blogs'"),
        (("web.1", "ls"), {"SLUG_RUN_ENGINE": "docker"}, 69, "the docker engine has no exec yet"),
    ],
)
def test_mistakes_have_words_and_codes(
    site: Site, words: tuple[str, ...], env: dict[str, str], code: int, said: str
) -> None:
    done = subprocess.run(
        argv(*words), env={**site.env, **env}, cwd="/", capture_output=True, timeout=60, check=False
    )
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_container_that_has_crashed_is_told_from_one_that_is_none(site: Site) -> None:
    site.run("scale", "broken=1")  # up for a moment
    until(lambda: site.containers()["broken.1"]["state"] == "crashed")
    done = inside(site, "broken.1", "ls")
    assert done.returncode == 1
    assert b"broken.1 of polls does not run at the moment" in done.stderr
    assert b"slug-run shell --app polls" in done.stderr
    site.must("scale", "broken=0")


def test_it_runs_with_the_config_of_the_release_that_the_container_runs(site: Site) -> None:
    """The last one here: the supervisor finds the release by itself, and replaces what runs."""
    supervisor = site.processes()["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        site.release("red")
        assert text(site, "web.1", "echo $COLOR") == "green\n"
    finally:
        os.kill(supervisor, signal.SIGCONT)
