"""`slug-run` as a person uses it: a real slug, real processes, on each engine of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.engines.embedded.processes import children
from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import SlugFacts
from slugc.stack import read_host_stack
from slugc.store import Store
from tests.integration.slug_run_support import ENGINES, Tiny, make_tiny
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = pytest.mark.integration

WEB_ALONE = {ProcessType("web"): "true"}


@pytest.fixture(scope="module", params=ENGINES)
def slug_run(request: pytest.FixtureRequest, session_dir: Path) -> Tiny:
    return make_tiny(request.param, session_dir)


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
    slug_run: Tiny,
) -> None:
    port = free_port()
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


def test_a_slug_for_another_machine_is_refused(slug_run: Tiny) -> None:
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
    slug_run: Tiny, spoil: Callable[[bytes], bytes], said: str
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
    slug_run: Tiny,
) -> None:
    port = free_port()
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


def test_a_web_that_cannot_boot_ends_the_run_with_its_code(slug_run: Tiny) -> None:
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


def test_a_process_deaf_to_sigterm_is_killed(slug_run: Tiny) -> None:
    with slug_run.started("deaf", "--stop-timeout", "1") as run:
        run.wait_for(r"app\[deaf\.1\] +\| deaf")
        began = time.monotonic()
        assert run.stop() == 130
        assert 0.9 < time.monotonic() - began < 25
        assert "Error R12 (Exit timeout)" in run.log
        assert "Process exited with status 137" in run.log


def test_a_taken_port_is_refused_before_anything_starts(slug_run: Tiny) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with slug_run.started("web", "--port", str(taken)) as run:
            assert run.process.wait(timeout=30) == 75
            assert f"Port {taken} is already in use" in run.notices
            assert run.log == ""


def test_a_killed_slug_run_leaves_nothing_behind(slug_run: Tiny) -> None:
    port = free_port()
    marker = f"killed-{port}"
    with slug_run.started("web", "--port", str(port), "--env", f"GREETING={marker}") as run:
        run.wait_for("tiny is up at")
        run.process.kill()
        run.process.wait()
    until(lambda: processes_named(marker) == [])
    assert slug_run.run("true").returncode == 0
    assert list((slug_run.directory / "home" / "run").glob("*/lock")) == []


@pytest.mark.embedded
@pytest.mark.parametrize("program", ["slirp4netns", "unshare"])
def test_a_run_whose_network_was_killed_ends_and_says_so(program: str, session_dir: Path) -> None:
    port = free_port()
    with make_tiny("embedded", session_dir).started("web", "--port", str(port)) as run:
        run.wait_for("is up at")
        ours = children(run.process.pid)
        # The chain of a container begins with unshare for a moment as well; the holder is first.
        pid = min(x for x in ours if Path(f"/proc/{x}/comm").read_text().strip() == program)
        os.kill(pid, signal.SIGKILL)
        assert run.process.wait(timeout=60) == 69
        reason = f"The app's network has ended: {program}, which it cannot do without, was killed."
        assert run.notices.splitlines()[-1] == reason
        assert "Process exited" in run.log
