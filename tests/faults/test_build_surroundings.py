"""Whatever surrounds a build, its slug is the same, or the error says what is in the way."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slugc.history import read_builds
from slugc.slug import read_slug, verify_slug
from tests.faults.limited import Allowed, inside
from tests.faults.tiny_builds import SLUGC, Ended, Tiny, digest, make_tiny

SHELL = ("/bin/sh", "-c")
CLOCK_THAT_JUMPS = """
import sys, time
real, real_ns, begun = time.time, time.time_ns, time.monotonic()
def ahead(): return {jump} if time.monotonic() > begun + {after} else 0
time.time = lambda: real() + ahead()
time.time_ns = lambda: real_ns() + ahead() * 10**9
from slugc.main import main
sys.exit(main(sys.argv[1:]))
"""
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root's rights")


@pytest.fixture
def tiny(open_dir: Path) -> Tiny:
    return make_tiny(open_dir)


@pytest.fixture
def expected(tiny: Tiny) -> str:
    """The digest of the slug as it is built every day."""
    usual = changed_home(tiny, "usual")
    output = tiny.root / "usual" / "app.slug"
    output.parent.mkdir()
    assert usual.build(output).code == 0
    return digest(output)


def changed_home(tiny: Tiny, name: str) -> Tiny:
    return Tiny(root=tiny.root, home=tiny.root / f"home-{name}")


def surrounded(tiny: Tiny, script: str, **env: str | None) -> Ended:
    """A build started by a line of shell, with these variables set or, if None, not set."""
    output = tiny.root / "app.slug"
    found = {**tiny.env, **{name: value for name, value in env.items() if value is not None}}
    for name in [name for name, value in env.items() if value is None]:
        found.pop(name, None)
    done = subprocess.run(
        (*SHELL, f'{script} exec "$@"', "sh", *tiny.build_argv(output, "-q")),
        cwd=tiny.root,
        env=found,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Ended(code=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())


SURROUNDINGS: Mapping[str, tuple[str, dict[str, str | None]]] = {
    "umask 000": ("umask 000;", {}),
    "umask 077": ("umask 077;", {}),
    "no HOME": ("", {"HOME": None}),
    "HOME that is not there": ("", {"HOME": "/nonexistent"}),
    "LANG=C": ("", {"LANG": "C", "LC_ALL": "POSIX", "LANGUAGE": ""}),
    "a Turkish locale": ("", {"LANG": "tr_TR.UTF-8"}),
    "another time zone": ("", {"TZ": "Pacific/Chatham"}),
    "no TERM": ("", {"TERM": None}),
    "stdin closed": ("exec <&-;", {}),
    "stdout closed": ("exec >&-;", {}),
    "stderr closed": ("exec 2>&-;", {}),
    "all closed": ("exec <&- >&- 2>&-;", {}),
    "directory deleted": ("mkdir gone; cd gone; rmdir ../gone;", {}),
    "fd limit 64": ("ulimit -n 64;", {}),
    "PYTHON variables": (
        "",
        {
            "PYTHONHASHSEED": "7",
            "PYTHONOPTIMIZE": "2",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "0",
            "PYTHONIOENCODING": "ascii:strict",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPYCACHEPREFIX": "/nonexistent",
        },
    ),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_same_slug_whatever_surrounds_a_build(tiny: Tiny, expected: str, name: str) -> None:
    script, env = SURROUNDINGS[name]
    ended = surrounded(tiny, script, **env)
    output = tiny.root / "app.slug"
    assert ended.code == 0, ended
    assert digest(output) == expected
    assert output.stat().st_mode & 0o777 == 0o644
    if "closed" not in name:
        assert ended.stdout == f"{output}\n"


def test_too_few_open_files_are_told_as_such(tiny: Tiny) -> None:
    ended = surrounded(tiny, "ulimit -n 16;")
    assert ended.code == 75, ended
    assert "Too many open files" in ended.stderr
    assert "This process may have 16 open. Allow more: ulimit -n 1024" in ended.stderr
    assert not (tiny.root / "app.slug").exists()


@AS_ROOT
@pytest.mark.parametrize("allowed", [Allowed(pids=32), Allowed(memory=128 << 20)], ids=str)
def test_little_is_enough_for_slugc_itself(tiny: Tiny, expected: str, allowed: Allowed) -> None:
    with inside(allowed) as enter:
        ended = surrounded(tiny, enter)
    assert ended.code == 0, ended
    assert digest(tiny.root / "app.slug") == expected


@AS_ROOT
def test_too_few_processes_are_told_as_such(tiny: Tiny, expected: str) -> None:
    """Or they are enough; never a traceback, and the next build succeeds."""
    told = 0
    for count in (5, 6, 7, 8, 10):
        (tiny.root / "app.slug").unlink(missing_ok=True)
        with inside(Allowed(pids=count)) as enter:
            ended = surrounded(tiny, enter)
        assert "Traceback" not in ended.stderr, ended
        if ended.code == 0:
            continue
        told += ended.code == 75
        assert ended.code == 75, (count, ended)
        assert "The build could not go on: Resource temporarily unavailable" in ended.stderr
        assert "may have no more processes and threads. Allow more" in ended.stderr
        assert not (tiny.root / "app.slug").exists()
    assert told
    assert tiny.build(tiny.root / "app.slug").code == 0
    assert digest(tiny.root / "app.slug") == expected


def test_sixteen_builds_in_different_surroundings_give_one_digest(
    tiny: Tiny, expected: str
) -> None:
    """Two data directories, umasks, time zones and locales; eight builds at a time."""
    every = list(
        itertools.product(("one", "two"), ("022", "077"), ("UTC", "Asia/Kathmandu"), ("C", "tr_TR"))
    )

    def build(number: int) -> str:
        home, umask, zone, locale = every[number]
        output = tiny.root / f"out-{number}" / "app.slug"
        output.parent.mkdir()
        argv = changed_home(tiny, home).build_argv(output, "-q")
        done = subprocess.run(
            (*SHELL, f'umask {umask}; exec "$@"', "sh", *argv),
            env={**changed_home(tiny, home).env, "TZ": zone, "LANG": locale, "LC_ALL": locale},
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return digest(output)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(build, range(16)))
    assert found == {expected}


def test_a_data_directory_that_is_a_link(tiny: Tiny, expected: str) -> None:
    (tiny.root / "elsewhere").mkdir()
    tiny.home.symlink_to(tiny.root / "elsewhere")
    ended = tiny.build(tiny.root / "app.slug")
    assert ended.code == 0, ended
    assert digest(tiny.root / "app.slug") == expected
    assert (tiny.root / "elsewhere" / "store").is_dir()
    assert tiny.slugc("prune", "--older-than", "0").code == 0
    assert not list((tiny.root / "elsewhere" / "store" / "frames").iterdir())


@AS_ROOT
def test_a_data_directory_of_somebody_else(tiny: Tiny) -> None:
    tiny.home.mkdir()
    (tiny.home / "theirs").write_text("x")
    os.chown(tiny.home, 12345, 12345)
    ended = tiny.build(tiny.root / "app.slug")
    assert ended.code == 73
    assert f"Slugkit cannot use its data directory {tiny.home}" in ended.stderr
    assert "It belongs to uid 12345 and is not empty." in ended.stderr
    assert sorted(path.name for path in tiny.home.iterdir()) == ["theirs"]


@AS_ROOT
@pytest.mark.parametrize("words", [("build",), ("list",), ("prune",), ("cache", "show")])
def test_a_data_directory_that_is_read_only(tiny: Tiny, words: tuple[str, ...]) -> None:
    tiny.home.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tiny.home))
    subprocess.run(mount, check=True)
    try:
        build = tiny.build_argv(tiny.root / "app.slug", "-q")
        ended = tiny.run(*build) if words == ("build",) else tiny.slugc(*words)
    finally:
        subprocess.run(("umount", str(tiny.home)), check=True)
    assert ended.code == 73, ended
    assert f"Slugkit cannot use its data directory {tiny.home}" in ended.stderr
    assert "Read-only file system" in ended.stderr
    assert not (tiny.root / "app.slug").exists()


def test_a_data_directory_that_cannot_be_made(tiny: Tiny) -> None:
    (tiny.root / "file").write_text("x")
    ended = Tiny(root=tiny.root, home=tiny.root / "file" / "home").build(tiny.root / "app.slug")
    assert ended.code == 73
    assert "Not a directory" in ended.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_build_that_is_stopped_leaves_nothing(
    tiny: Tiny, number: signal.Signals, code: int
) -> None:
    output = tiny.root / "app.slug"
    for moment in (0.02, 0.1, 0.15, 0.2, 0.3, 0.7):
        started = stopped(tiny, output, after=moment, signals=[number])
        if is_ours(started):
            assert started.code in {0, code}, started
        assert tiny.await_no_processes() == []
        assert tiny.leftovers() == []
        assert tiny.problems() == ()
    assert started.code == code, "it pauses that long"
    assert "Stopped. Nothing was written." in started.stderr
    assert not output.exists()
    assert tiny.build(output).code == 0


def is_ours(ended: Ended) -> bool:
    """Whether our code was running already: before, a signal ends Python as it ends any program."""
    return "Stopped." in ended.stderr or "Building app" in ended.stderr


def test_a_second_ctrl_c_ends_it_at_once(tiny: Tiny) -> None:
    output = tiny.root / "app.slug"
    for gap in (0.0, 0.01, 0.05):
        begun = time.monotonic()
        ended = stopped(tiny, output, after=0.4, signals=[signal.SIGINT] * 2, gap=gap)
        assert time.monotonic() - begun < 2.5
        assert ended.code in {130, -signal.SIGINT}, ended
        assert "Internal error" not in ended.stderr
        assert tiny.await_no_processes() == []
        assert tiny.problems() == ()
    assert tiny.build(output).code == 0


def stopped(
    tiny: Tiny, output: Path, *, after: float, signals: list[signal.Signals], gap: float = 0
) -> Ended:
    """A build that would take a second longer, sent these signals."""
    process = subprocess.Popen(
        tiny.build_argv(output, "--env", "PAUSE=1"),
        cwd=tiny.root,
        env=tiny.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    time.sleep(after)
    for number in signals:
        process.send_signal(number)
        time.sleep(gap)
    _, said = process.communicate(timeout=30)
    return Ended(code=process.returncode, stdout="", stderr=said.decode())


def test_a_build_that_was_suspended_goes_on(tiny: Tiny, expected: str) -> None:
    output = tiny.root / "app.slug"
    process = subprocess.Popen(tiny.build_argv(output, "-q"), cwd=tiny.root, env=tiny.env)
    time.sleep(0.12)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    process.send_signal(signal.SIGCONT)
    assert process.wait(30) == 0
    assert digest(output) == expected


def test_nobody_reads_our_output(tiny: Tiny, expected: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    output = tiny.root / "app.slug"
    process = subprocess.Popen(
        tiny.build_argv(output, "-q"), cwd=tiny.root, env=tiny.env, stdout=writer
    )
    os.close(writer)
    assert process.wait(30) == 141
    assert digest(output) == expected


@pytest.mark.parametrize("jump", [-86_400, 315_360_000], ids=["a day back", "ten years on"])
def test_the_clock_is_set_while_we_build(tiny: Tiny, expected: str, jump: int) -> None:
    """Durations, locks and the order of builds depend on no clock that can be set.

    Not by libfaketime: sleeping fails when its clock jumps.
    """
    output = tiny.root / "app.slug"
    for after in (0.05, 0.15, 0.3):
        main = CLOCK_THAT_JUMPS.format(after=after, jump=jump)
        words = tiny.build_argv(output, "-q", "--env", "PAUSE=0.3")[len(SLUGC) :]
        ended = tiny.run(sys.executable, "-c", main, *words)
        assert ended.code == 0, ended
        assert digest(output) == expected, f"clock set after {after} seconds"
    records = read_builds(tiny.home)
    assert len(records) == 3
    assert all(0 < record.duration < 20 for record in records)
    assert all(0 <= step.duration < 20 for record in records for step in record.steps)
    verify_slug(read_slug(output))
    assert tiny.problems() == ()
