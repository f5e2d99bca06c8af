"""`slug-run run --detach`: one-offs that outlive the command, and those that stay with it."""

from __future__ import annotations

import contextlib
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

from tests.integration.supervision_support import Site, command_lines, deployed
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]


@pytest.fixture(scope="module")
def site(session_dir: Path) -> Iterator[Site]:
    """An app that was deployed and does not run: one-offs need no supervisor."""
    files = {"Procfile": "worker: echo working; sleep 1000\n"}
    found = deployed(session_dir / "detached", port=free_port(), files=files)
    found.release("green")
    yield found
    found.run("stop", "run")


def detached(site: Site, *words: str) -> str:
    said = site.must("run", "--detach", *words)
    found = re.fullmatch(
        r"Running on polls\.\.\. done, (run\.\d{4})\n"
        r"Use `slug-run logs --dyno \1 --tail` to follow it\.\n",
        said.out,
    )
    assert found is not None, said
    return found[1]


def lines(site: Site, name: str) -> list[str]:
    return [line.partition(" ")[2] for line in site.log("-d", name).splitlines()]


def has_ended(site: Site, name: str) -> bool:
    return name not in site.containers()


def owner(site: Site, name: str) -> int:
    path = site.home / "apps" / str(site.app.number) / "one-offs" / f"{name}.json"
    pid: int = json.loads(path.read_text())["owner"][0]
    return pid


def sleeping(marker: str) -> list[int]:
    return [pid for pid, line in command_lines().items() if line.startswith(f"sleep\0{marker}")]


def test_its_output_and_its_end_are_in_the_log(site: Site) -> None:
    name = detached(site, 'echo "$DYNO $COLOR"; echo err >&2; printf rest; exit 4')
    until(lambda: has_ended(site, name))
    command = 'echo "$DYNO $COLOR"; echo err >&2; printf rest; exit 4'
    assert lines(site, name) == [
        f"slug-run[{name}]: Starting process with command `{command}` by me",
        f"slug-run[{name}]: State changed from starting to up",
        f"app[{name}]: {name} green",
        f"app[{name}]: err",
        f"app[{name}]: rest",
        f"slug-run[{name}]: Process exited with status 4",
        f"slug-run[{name}]: State changed from up to complete",
    ]


def test_it_is_listed_entered_and_stopped(site: Site) -> None:
    name = detached(site, "worker")
    shown = site.must("ps")
    assert re.search(
        r"^=== run: one-off processes \(1\)\n"
        rf"{name}: up \d\d:\d\d:\d\d \(~ \d+s ago\): echo working; sleep 1000$",
        shown.out,
        re.M,
    )
    assert shown.err == "polls is not running: slug-run start -d --app polls\n"
    assert site.must("ps", name).err == ""
    assert site.containers()[name]["release"] == 2
    assert site.must("exec", name, "echo $DYNO $COLOR").out == f"{name} green\n"
    said = site.must("stop", name)
    assert (said.out, said.err) == (f"Stopped {name}\n", f"Stopping {name}\n")
    assert has_ended(site, name)
    assert lines(site, name)[-3:] == [
        f"slug-run[{name}]: Stopping all processes with SIGTERM",
        f"slug-run[{name}]: Process exited with status 143",
        f"slug-run[{name}]: State changed from up to complete",
    ]


def test_its_time_ends_even_for_who_is_deaf(site: Site) -> None:
    name = detached(
        site, "--time-limit", "0.3s", "--stop-timeout", "0.3", "--",
        "trap '' TERM; while :; do sleep 0.05; done",
    )  # fmt: skip
    until(lambda: has_ended(site, name))
    assert [line.partition(": ")[2] for line in lines(site, name)[2:]] == [
        "The time limit of 0.3 seconds is over",
        "Stopping all processes with SIGTERM",
        "Error R12 (Exit timeout) -> At least one process failed to exit within 0.3 seconds of"
        " SIGTERM",
        "Stopping remaining processes with SIGKILL",
        "Process exited with status 137",
        "State changed from up to complete",
    ]


def test_killed_with_its_owner_it_is_gone_and_its_last_words_are_kept(site: Site) -> None:
    name = detached(site, "echo words; sleep 5711")
    until(lambda: f"app[{name}]: words" in lines(site, name))
    os.kill(owner(site, name), signal.SIGKILL)
    until(lambda: not sleeping("5711"))
    assert has_ended(site, name)
    assert lines(site, name)[-2:] == [
        f"slug-run[{name}]: Process ended because slug-run, which stayed with it, was killed",
        f"slug-run[{name}]: State changed from up to crashed",
    ]
    directory = site.home / "apps" / str(site.app.number) / "one-offs"
    assert list(directory.iterdir()) == []


def test_who_waits_for_its_output_is_not_kept_waiting(site: Site) -> None:
    """Nothing the shell had open stays open in its owner."""
    begin = time.monotonic()
    said = site.must("run:detached", "sleep 5712")
    name = re.findall(r"run\.\d{4}", said.out)[0]
    assert time.monotonic() - begin < 10
    site.must("stop", name)
    assert not sleeping("5712")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-d", "--slug", "x.slug", "true"), 64, "--slug cannot be used with --detach"),
        (("-d", "--time-limit", "soon", "true"), 64, "'soon' is not a time limit"),
        (("-d", "--engine", "nope", "true"), 64, "There is no engine called 'nope'"),
        (("-d",), 64, "Missing argument"),
    ],
)
def test_what_cannot_start_says_so_at_once(
    site: Site, words: tuple[str, ...], code: int, said: str
) -> None:
    found = site.run("run", *words)
    assert (found.code, found.out) == (code, "")
    assert said in found.err
    assert "run." not in site.must("ps").out


def test_why_its_container_could_not_start_is_told(open_dir: Path) -> None:
    """Found by the process that was to stay with it."""
    site = deployed(open_dir / "spoilt", port=free_port(), files={"Procfile": "a: true\n"})
    (site.home / "run").mkdir(exist_ok=True)
    (site.home / "run").chmod(0o777)
    found = site.run("run", "-d", "true")
    assert (found.code, found.out) == (73, "")
    assert "Others may write there (mode 0777)." in found.err
    assert "Traceback" not in found.err
    assert site.must("ps").out == ""


def test_destroying_the_app_ends_its_one_offs(open_dir: Path) -> None:
    site = deployed(open_dir / "gone", port=free_port(), files={"Procfile": "a: true\n"})
    detached(site, "sleep 5713")
    until(lambda: bool(sleeping("5713")))
    site.must("apps", "destroy", "--app", "polls", "--confirm", "polls")
    assert not sleeping("5713")


# Attached ones


def test_an_attached_one_is_noted_in_the_log_without_its_output(site: Site) -> None:
    said = site.run("run", "-q", "--app", "polls", "--", "echo", "private words")
    assert (said.code, said.out, said.err) == (0, "private words\n", "")
    found = site.log().splitlines()[-3:]
    assert [line.partition("]: ")[2] for line in found] == [
        "Starting process with command `echo 'private words'` by me",
        "Process exited with status 0",
        "State changed from up to complete",
    ]


def test_its_time_limit_is_124(site: Site) -> None:
    said = site.run("run", "-q", "--app", "polls", "--time-limit", "0.3s", "--", "sleep", "5714")
    assert said.code == 124
    assert re.fullmatch(r"run\.\d{4} ran for longer than its limit of 0\.3 seconds\n", said.err)
    assert not sleeping("5714")


def argv(*words: str) -> list[str]:
    return [sys.executable, "-m", "runner.main", *words]


def test_killed_with_9_it_takes_the_one_off_along(site: Site) -> None:
    with subprocess.Popen(
        argv("run", "-q", "--app", "polls", "trap '' TERM HUP; echo go; sleep 5715; sleep 5715"),
        env=site.env, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"go\n"
        process.kill()
        process.wait(timeout=30)
    until(lambda: not sleeping("5715"))


def test_a_closed_standard_input_is_none(site: Site) -> None:
    line = "exec <&-; exec " + " ".join(
        f"'{word}'" for word in argv("run", "-q", "--app", "polls", "--", "cat; echo end")
    )
    done = subprocess.run(
        ("bash", "-c", line), env=site.env, cwd="/", capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"end\n"), done.stderr


def test_four_times_ctrl_c_end_what_is_deaf(site: Site) -> None:
    first, *rest = argv("run", "-q", "--app", "polls", "trap '' INT TERM; echo deaf; sleep 5716")
    child = pexpect.spawn(first, rest, env=site.env, cwd="/", timeout=30)
    child.expect_exact("deaf")
    for _ in range(4):
        child.sendcontrol("c")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 137
    assert not sleeping("5716")


def test_a_lost_terminal_ends_it(site: Site) -> None:
    first, *rest = argv("run", "-q", "--app", "polls", "echo here; sleep 5717")
    child = pexpect.spawn(first, rest, env=site.env, cwd="/", timeout=30)
    child.expect_exact("here")
    with contextlib.suppress(pexpect.ExceptionPexpect):  # it is still ending
        child.close(force=False)  # the kernel sends SIGHUP
    until(lambda: not sleeping("5717"))
    until(lambda: not child.isalive())


def test_a_shell_takes_a_script_and_a_console_is_the_apps(open_dir: Path) -> None:
    files = {"Procfile": "console: echo own console\n"}
    site = deployed(open_dir / "own", port=free_port(), files=files)
    assert site.must("console", "-q", "--app", "polls").out == "own console\n"
    done = subprocess.run(
        argv("shell", "-q", "--app", "polls"),
        env=site.env, cwd="/", input=b"echo $DYNO; exit 3", capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout.startswith(b"run.")


@pytest.mark.parametrize(("name", "said"), [("manage.py", "manage.py shell\n"), ("other.py", "\n")])
def test_a_console_without_a_type_is_djangos_or_pythons(
    open_dir: Path, name: str, said: str
) -> None:
    """A stand-in for the virtual environment's python prints what it was asked for."""
    files = {
        "Procfile": "web: true\n",
        name: "",
        ".profile": "mkdir -p /tmp/bin; printf '#!/bin/sh\\necho \"$@\"\\n' > /tmp/bin/python\n"
        "chmod +x /tmp/bin/python; PATH=/tmp/bin:$PATH\n",
    }
    site = deployed(open_dir / "console", port=free_port(), files=files)
    assert site.must("console", "-q", "--app", "polls").out == said
