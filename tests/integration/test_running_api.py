"""The runner as a library: inside a program it disturbs nothing, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import runner
import slugc
from runner.front import find_caddy
from tests.integration.supervision_support import BUILDPACK, FILES, PROCFILE, command_lines
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
MARK = str(2_000_000 + os.getpid())  # other tests run at the same time, with sleeps of their own
pytestmark = [pytest.mark.integration, pytest.mark.embedded]


@pytest.fixture(scope="module")
def home(session_dir: Path) -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(dir=session_dir))
    found.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUGKIT_HOME", os.fspath(found / "home"))
        yield found / "home"


@pytest.fixture(scope="module")
def make_slug(home: Path) -> Callable[[str], Path]:
    numbers = itertools.count()

    def make(procfile: str) -> Path:
        root = home.parent / f"app{next(numbers)}"
        app, programs = root / "app", root / "buildpack" / "bin"
        app.mkdir(parents=True)
        programs.mkdir(parents=True)
        for name, text in ({"Procfile": procfile} | FILES).items():
            (app / name).write_text(text)
        for name, text in BUILDPACK.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        return slugc.build_slug(app, output=root / "app.slug", buildpacks=[programs.parent]).path

    return make


@pytest.fixture(scope="module")
def slug(make_slug: Callable[[str], Path]) -> Path:
    return make_slug(f"{PROCFILE}alone: exec sleep {MARK}\n")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def running(mark: str) -> list[str]:
    return [line for line in command_lines().values() if mark in line]


def descriptors() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{link.name} {link.readlink()}")
    return {each for each in found if "/fd" not in each}


def test_a_formation_runs_inside_a_thread_of_a_program_and_disturbs_nothing(
    slug: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def surroundings() -> object:
        handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
        return handlers, Path.cwd(), os.umask(os.umask(0o22)), descriptors()

    events: list[runner.Event] = []
    said: list[str] = []

    def program() -> None:
        with runner.start(
            slug, formation={"web": 1, "leaving": 1}, config_vars={"COLOR": "red"}
        ) as app:
            said.append(get(app.url))
            assert set(app.addresses) == {"web.1"}
            for event in app.events():
                if isinstance(event, runner.Line) and event.text == "ready":
                    break
        assert app.addresses == {}
        assert app.wait() == runner.Outcome(exit_code=143)
        events.extend(app.events())

    before = surroundings()
    umask = os.umask(0o22)
    os.umask(umask)
    thread = threading.Thread(target=program)
    thread.start()
    thread.join(60)

    assert said == ["web.1 red"]
    kinds = [(type(each).__name__, each.name) for each in events]
    for name in ("web.1", "leaving.1"):
        mine = [kind for kind, whose in kinds if whose == name and kind != "Line"]
        assert mine == ["Starting", "Up", "Down"]
    lines = {(e.name, e.source, e.text) for e in events if isinstance(e, runner.Line)}
    assert {("leaving.1", "app", "ready"), ("leaving.1", "app", "bye")} < lines
    down = [e for e in events if isinstance(e, runner.Down) and e.name == "leaving.1"]
    assert [each.exit_code for each in down] == [7]
    assert surroundings() == before
    assert capfd.readouterr() == ("", "")
    assert [each.name for each in (home / "run").iterdir()] == [".lock"]
    assert [each for each in threading.enumerate() if each.name.startswith("slug-run")] == []


@pytest.mark.skipif(find_caddy(os.environ) is None, reason="no Caddy")
def test_several_web_containers_have_one_url_and_an_address_each(slug: Path) -> None:
    with runner.start(slug, formation={"web": 2}) as app:
        deadline = time.monotonic() + PATIENCE
        seen: set[str] = set()
        while len(seen) < 2 and time.monotonic() < deadline:
            seen.add(get(app.url))
        assert {text.strip() for text in seen} == {"web.1", "web.2"}
        direct = {name: get(f"http://{where}").strip() for name, where in app.addresses.items()}
        assert direct == {"web.1": "web.1", "web.2": "web.2"}


def test_what_leaves_the_block_ends_the_containers_and_goes_on(slug: Path) -> None:
    kept: list[runner.RunningFormation] = []

    def program() -> None:
        with runner.start(slug, formation={"alone": 1}) as app:
            kept.append(app)
            until(lambda: bool(running(f"sleep\x00{MARK}")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        program()
    assert not running(f"sleep\x00{MARK}")
    assert kept[0].stop() == runner.Outcome(exit_code=143)


def test_formations_run_side_by_side(slug: Path) -> None:
    with (
        runner.start(slug, config_vars={"COLOR": "red"}) as one,
        runner.start(slug, config_vars={"COLOR": "blue"}) as two,
    ):
        assert (get(one.url), get(two.url)) == ("web.1 red", "web.1 blue")


def test_a_crash_is_an_event_and_the_container_is_started_again(slug: Path) -> None:
    with runner.start(slug, formation={"crash": 1}) as app:
        found = []
        for event in app.events():
            if not isinstance(event, runner.Line):
                found.append(type(event).__name__)
            if found.count("Crashed") == 2:
                assert isinstance(event, runner.Crashed)
                assert event.exit_code == 3
                break
    assert found == ["Starting", "Up", "Crashed", "Starting", "Up", "Crashed"]


def test_a_formation_is_scaled_while_it_serves(slug: Path) -> None:
    with runner.start(slug, formation={"web": 2}) as app:
        assert get(app.url)
        app.scale({"web": 3, "alone": 2})
        assert set(app.addresses) == {"web.1", "web.2", "web.3"}
        assert running(MARK)
        app.scale({"alone": 0, "web": 1})
        assert set(app.addresses) == {"web.1"}
        assert not running(MARK)
        assert get(app.url)
        app.scale({"web": 1})  # as it is already
    names = [event.name for event in app.events() if isinstance(event, runner.Up)]
    assert sorted(names) == ["alone.1", "alone.2", "web.1", "web.2", "web.3"]
    with pytest.raises(runner.FormationEndedError, match=r"^The formation was stopped$"):
        app.scale({"web": 2})


def test_what_does_not_come_up_is_told_and_the_others_go_on(
    make_slug: Callable[[str], Path],
) -> None:
    broken = 'if [ "$DYNO" = web.3 ]; then echo no third; exit 3; fi; exec '
    slug = make_slug(PROCFILE.replace("web: exec ", f"web: {broken}"))
    with runner.start(slug, formation={"web": 2}) as app:
        with pytest.raises(runner.NotUpError) as caught:
            app.scale({"web": 3, "worker": 1})
        assert caught.value.names == ("web.3",)
        assert set(caught.value.lines) == {"web.3: no third"}
        assert set(app.addresses) == {"web.1", "web.2"}
        app.scale({"web": 2})
        assert get(app.url)


def test_a_formation_that_cannot_be_scaled_so_stays_as_it_is(slug: Path) -> None:
    with runner.start(slug, formation={"web": 1}) as app:
        for wanted, words in (
            ({"web": 2}, "Nothing stands before the web containers"),
            ({"alone": 101}, "'101' is not a number of containers to start"),
            ({"alone": -1}, "'-1' is not a number of containers to start"),
            ({"nope": 1}, "There is no process type called 'nope'"),
        ):
            with pytest.raises(runner.SlugkitError, match=words):
                app.scale(wanted)
        assert set(app.addresses) == {"web.1"}
        app.scale({"web": 0})
        assert not app.addresses
        app.scale({"web": 1})
        assert get(app.url)


def test_a_formation_that_ends_by_itself_is_waited_for(slug: Path) -> None:
    with runner.start(slug, formation={"crash": 1}, exit_on_crash=True) as app:
        outcome = app.wait(30)
    assert outcome == runner.Outcome(exit_code=3, reason="crash.1 ended.")


def test_an_app_that_does_not_come_up_is_an_error_with_its_lines(
    make_slug: Callable[[str], Path], home: Path
) -> None:
    with pytest.raises(runner.FormationEndedError) as caught:
        runner.start(make_slug("web: echo no such module; exit 3"))
    assert caught.value.text() == "web.1 ended before the app was up\n\nweb.1: no such module"
    assert caught.value.outcome.exit_code == 3
    with pytest.raises(runner.FormationEndedError) as caught:
        runner.start(make_slug("web: exec sleep 100"), boot_timeout=0.3)
    assert caught.value.brief == "web.1 did not listen on its PORT in time; it listens on nothing"
    assert [each.name for each in (home / "run").iterdir()] == [".lock"]


def test_what_is_wrong_is_an_error_of_ours(slug: Path) -> None:
    def url_of_a_worker() -> str:
        with runner.start(slug, formation={"idle": 1}) as app:
            return app.url

    wrong: Any = {"engine": "jail"}
    calls: tuple[tuple[Callable[[], object], str, int], ...] = (
        (lambda: runner.start("nowhere.slug"), "slug-missing", 66),
        (lambda: runner.start(slug, formation={"wbe": 1}), "unknown-process-type", 64),
        (lambda: runner.start(slug, formation={"web": 0}), "count", 64),
        (lambda: runner.start(slug, formation={}), "usage", 64),
        (lambda: runner.start(slug, config_vars={"A=B": "c"}), "config-var", 64),
        (lambda: runner.start(slug, config_vars={"PORT": "1"}), "config-var", 64),
        (lambda: runner.start(slug, bind="192.0.2.1"), "address-not-here", 64),
        (lambda: runner.start(slug, port=65536), "port", 64),
        (lambda: runner.start(slug, port=-1), "port", 64),
        (lambda: runner.start(slug, memory="much"), "size", 64),
        (lambda: runner.start(slug, boot_timeout=-1), "seconds", 64),
        (lambda: runner.start(slug, stop_timeout=float("nan")), "seconds", 64),
        (lambda: runner.start(slug, **wrong), "unknown-engine", 64),
        (url_of_a_worker, "no-url", 64),
        (lambda: runner.run_one_off(slug, []), "usage", 64),
        (lambda: runner.run_one_off(slug, "true", time_limit=0), "time-limit", 64),
        (lambda: runner.run_one_off(slug, "true", stop_timeout=-1), "seconds", 64),
        (lambda: runner.run_one_off(slug, "cat", stdin="x"), "one-off-stdin", 64),  # type: ignore[arg-type]  # the mistake
        (lambda: runner.run_one_off("nowhere.slug", "true"), "slug-missing", 66),
        (lambda: runner.start_one_off("nowhere.slug", "true"), "slug-missing", 66),
    )  # fmt: skip
    for call, id_, code in calls:
        with pytest.raises(runner.SlugkitError) as caught:
            call()
        assert (caught.value.id, caught.value.exit_code) == (id_, code)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_program_may_have_any_umask_and_ask_for_any_free_port(slug: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with runner.start(slug, formation={"web": 1}, port=0) as app:
            assert urllib.request.urlopen(app.url, timeout=10).read().startswith(b"web.1")
    finally:
        os.umask(before)


def test_a_port_in_use_is_told_before_anything_starts(slug: Path) -> None:
    with runner.start(slug) as app:
        port = int(app.url.rpartition(":")[2])
        with pytest.raises(runner.SlugkitError) as caught:
            runner.start(slug, port=port)
        assert caught.value.id == "port-in-use"


def test_one_offs_give_code_and_bytes(slug: Path, tmp_path: Path) -> None:
    command = 'tr a-z A-Z; echo "$COLOR" >&2; exit 3'
    found = runner.run_one_off(slug, command, stdin=b"hello", config_vars={"COLOR": "red"})
    assert found == runner.OneOffResult(exit_code=3, stdout=b"HELLO", stderr=b"red\n")
    assert runner.run_one_off(slug, ["printf", "%s|", "a b", "$HOME"]).stdout == b"a b|$HOME|"
    assert runner.run_one_off(slug, ["echo hi"]).exit_code == 127
    assert runner.run_one_off(slug, "wc -c").stdout.strip() == b"0"

    blob = os.urandom(3 << 20)
    (tmp_path / "blob").write_bytes(blob)
    with (tmp_path / "blob").open("rb") as file:
        assert runner.run_one_off(slug, ["cat"], stdin=file).stdout == blob


def test_a_one_off_ends_at_its_time_limit(slug: Path) -> None:
    found = runner.run_one_off(slug, "echo begun; exec sleep 1000", time_limit=0.5)
    assert found == runner.OneOffResult(exit_code=124, stdout=b"begun\n", stderr=b"")


def test_a_streamed_one_off_talks_both_ways(slug: Path) -> None:
    before = descriptors()
    with runner.start_one_off(slug, "while read x; do echo got $x; done; exit 4") as command:
        for word in (b"one", b"two"):
            command.stdin.write(word + b"\n")
            assert command.stdout.readline() == b"got " + word + b"\n"
        assert command.wait(0.01) is None
        command.stdin.close()
        assert command.wait(PATIENCE) == 4
        assert (command.stdout.read(), command.stderr.read()) == (b"", b"")
        assert command.stop() == 4
    assert descriptors() == before


def test_a_streamed_one_off_ends_with_its_block_whether_it_is_read_or_not(slug: Path) -> None:
    with runner.start_one_off(slug, f"exec yes {MARK}") as command:
        assert command.stdout.readline() == f"{MARK}\n".encode()
    assert command.wait() == 143
    assert not running(f"yes\x00{MARK}")


PROGRAM = """\
import os, runner, sys
print("booting", flush=True)
with runner.start(sys.argv[1], formation={"web": 1, "idle": 1}, boot_timeout=30):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["booting", "up"])
def test_containers_end_with_the_program_however_it_ends(
    make_slug: Callable[[str], Path], moment: str, number: signal.Signals
) -> None:
    web = f"sleep {MARK}" if moment == "booting" else "/usr/bin/python3 server.py"
    slug = make_slug(f"web: exec {web}\nidle: exec sleep {MARK}\n")
    argv = (sys.executable, "-c", PROGRAM, os.fspath(slug))
    env = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    with subprocess.Popen(
        argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        while program.stdout.readline() != f"{moment}\n".encode():
            assert program.poll() is None
        until(lambda: bool(running(f"sleep\x00{MARK}")))
        program.send_signal(number)
        program.wait(60)
    until(lambda: not running(f"sleep\x00{MARK}"))
    assert program.returncode == -number
