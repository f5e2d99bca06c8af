"""Deploys as a person makes them: real slugs, real release commands, on each engine here."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import SlugFacts
from slugc.stack import read_host_stack
from slugc.store import Store
from tests.integration.slug_run_support import ENGINES, SlugRun
from tests.integration.supervision_support import command_lines
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = pytest.mark.integration

LIMIT = 60.0
SERVER = """\
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{open('content').read()} {os.environ.get('GREETING')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
RELEASE = 'echo "$DYNO $GREETING $(cat content) ${PORT-no port}"; echo to stderr >&2'


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploys(SlugRun):
    """It makes its slugs as they are wanted."""

    def slug(self, name: str, release: str | None = None) -> str:
        tree = self.directory / f"tree-{name}"
        tree.mkdir()
        (tree / "server.py").write_text(SERVER)
        (tree / "content").write_text(name)
        types = {"web": "python3 server.py", **({"release": release} if release else {})}
        facts = SlugFacts(
            name="polls",
            stack=read_host_stack(),
            buildpacks=(),
            process_types={ProcessType(key): command for key, command in types.items()},
            config_vars={"GREETING": "default"},
        )
        path = self.directory / f"{name}.slug"
        write_slug(tree, path, facts=facts, store=Store(self.directory / "packing"))
        return path.name

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words),
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=LIMIT,
        )

    def done(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def started(self, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        log = self.directory / "log"
        with (
            log.open("wb") as out,
            subprocess.Popen(
                self.argv(*words), cwd=self.directory, env=self.env, stdout=out, stderr=out
            ) as process,
        ):
            try:
                yield process, log
            finally:
                process.kill()

    def statuses(self) -> list[str]:
        """Oldest first."""
        found = json.loads(self.done("releases", "--json"))
        return [each["status"] for each in reversed(found)]


@pytest.fixture(params=ENGINES)
def slug_run(request: pytest.FixtureRequest, open_dir: Path) -> Deploys:
    return Deploys(engine=request.param, directory=open_dir)


def wait_for(log: Path, pattern: str) -> None:
    until(lambda: re.search(pattern, log.read_text()), log.read_text)


def is_running(marker: str) -> bool:
    return any(marker in line for line in command_lines().values())


def test_from_a_first_deploy_to_a_rollback(slug_run: Deploys) -> None:
    one, two = slug_run.slug("one", RELEASE), slug_run.slug("two")
    done = slug_run.run("deploy", one, "--create")
    assert done.returncode == 0, done.stderr
    assert "app[release.1]      | release.1 default one no port\n" in done.stderr
    assert "app[release.1]      | to stderr\n" in done.stderr
    slug_run.done("config", "set", "GREETING=hello")
    slug_run.done("deploy", two)
    assert slug_run.done("run", "--app", "polls", "-q", "--", 'cat content; echo " $GREETING"') == (
        "two hello\n"
    )
    slug_run.done("rollback", "v1")
    assert slug_run.done("releases", "output", "v4") == (
        "release.4 default one no port\nto stderr\n"
    )
    (slug_run.directory / one).unlink()
    port = free_port()
    words = ("web", "--app", "polls", "--port", str(port), "--env", "GREETING=given")
    with slug_run.started(*words) as (process, log):
        wait_for(log, "polls is up at")
        assert log.read_text().startswith("Booting polls v4 (slug ")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10) as answer:
            assert answer.read() == b"one given"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 130


def test_a_release_command_that_fails_changes_nothing(slug_run: Deploys) -> None:
    slug_run.done("deploy", slug_run.slug("one"), "--create")
    done = slug_run.run("deploy", slug_run.slug("two", "echo table is missing; exit 3"))
    assert done.returncode == 1
    assert "polls v2 was not released: the release command exited with status 3" in done.stderr
    assert "v1 keeps running." in done.stderr
    assert slug_run.done("run", "--app", "polls", "-q", "--", "cat content") == "one"
    assert slug_run.statuses() == ["succeeded", "failed"]


def test_a_release_command_that_hangs_is_ended(slug_run: Deploys) -> None:
    slug = slug_run.slug("hangs", "echo waiting; exec sleep 3141.59")
    done = slug_run.run("deploy", slug, "--create", "--release-timeout", "0.5")
    assert done.returncode == 124
    assert "the release command ran for longer than 0.5 seconds" in done.stderr
    assert slug_run.statuses() == ["failed"]
    until(lambda: not is_running("3141.59"))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_stopped_in_the_release_phase_the_release_fails(
    slug_run: Deploys, number: signal.Signals, code: int
) -> None:
    slug = slug_run.slug("slow", "echo begins; exec sleep 2718.28")
    with slug_run.started("deploy", slug, "--create") as (process, log):
        wait_for(log, r"\| begins")
        process.send_signal(number)
        assert process.wait(LIMIT) == code
        assert "was not released: the release command was stopped." in log.read_text()
    assert slug_run.statuses() == ["failed"]
    until(lambda: not is_running("2718.28"))


@pytest.mark.embedded
def test_killed_in_the_release_phase_the_command_ends_too(open_dir: Path) -> None:
    slug_run = Deploys(engine="embedded", directory=open_dir)
    slug = slug_run.slug("slow", "echo begins; exec sleep 1618.03")
    with slug_run.started("deploy", slug, "--create") as (process, log):
        wait_for(log, r"\| begins")
        process.kill()
        process.wait(LIMIT)
    until(lambda: not is_running("1618.03"))
    assert slug_run.statuses() == ["failed"]
    assert slug_run.done("releases", "output", "v1") == (
        "begins\n[slug-run: slug-run was killed before the release phase had ended]\n"
    )


def test_of_a_release_command_that_talks_much_everything_is_shown(slug_run: Deploys) -> None:
    slug = slug_run.slug("talks", "seq 300000; printf 'no line end'")
    done = slug_run.run("deploy", slug, "--create")
    assert done.returncode == 0
    lines = [line.partition(" | ")[2] for line in done.stderr.splitlines() if "app[release" in line]
    assert lines == [*(str(number) for number in range(1, 300001)), "no line end"]
    kept = slug_run.done("releases", "output", "v1")
    assert len(kept) < 2_200_000
    assert kept.startswith("1\n2\n")
    assert kept.endswith("300000\nno line end")


@pytest.mark.embedded
def test_what_is_kept_running_is_replaced_before_the_command_ends(open_dir: Path) -> None:
    slug_run = Deploys(engine="embedded", directory=open_dir)
    port = free_port()

    def answer() -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10) as found:
            body: bytes = found.read()
            return body

    slug_run.done("deploy", slug_run.slug("one"), "--create")
    slug_run.done("start", "-d", "--port", str(port))
    try:
        assert answer() == b"one default"
        done = slug_run.run("deploy", slug_run.slug("two"))
        assert (done.returncode, "  web.1     up " in done.stderr) == (0, True), done.stderr
        assert answer() == b"two default"
        failed = slug_run.run("deploy", slug_run.slug("three", "exit 1"))
        assert (failed.returncode, answer()) == (1, b"two default")
        slug_run.done("rollback")
        assert answer() == b"one default"
    finally:
        slug_run.done("stop")
