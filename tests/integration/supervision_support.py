"""Apps of a few lines, deployed by hand and left running by the real commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpack.support.hierarchies import find_hierarchies
from runner.deploys.kept_slugs import KeptSlugs
from runner.state.state import opened_state
from runner.state.values import App, NewRelease
from slugc.slug import read_slug
from tests.environment import given
from tests.reports import shortened

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0

SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['DYNO']} {os.environ.get('COLOR', '')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
LEAVING = """\
import signal, sys
def leave(*_):
    print("bye", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""
FILES = {"server.py": SERVER, "leaving.py": LEAVING}
PROCFILE = """\
web: exec /usr/bin/python3 server.py
worker: n=0; while sleep 0.05; do n=$((n+1)); echo "line $n"; done
idle: exec sleep 100000
crash: echo last words; exit 3
stubborn: trap '' TERM; echo deaf; while :; do sleep 0.1; done
leaving: exec /usr/bin/python3 leaving.py
greedy: cat /dev/zero >/app/all; exec sleep 100000
open: echo /proc/self/fd/*; exec sleep 100000
"""
BUILDPACK = {
    "detect": "#!/bin/sh\necho Tiny\n",
    "compile": "#!/bin/sh\ntrue\n",
    "release": "#!/bin/sh\necho '{}'\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A data directory with one app that was deployed."""

    home: Path
    port: int
    app: App

    @property
    def env(self) -> dict[str, str]:
        return {**given(), "SLUGKIT_HOME": str(self.home), "PYTHONPATH": str(ROOT), "USER": "me"}

    @property
    def supervisor_dir(self) -> Path:
        return self.home / "apps" / str(self.app.number) / "supervisor"

    def run(self, *words: str) -> Said:
        done = subprocess.run(
            (sys.executable, "-m", "runner.main", *words),
            env=self.env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """The command, while it works."""
        return subprocess.Popen(
            (sys.executable, "-m", "runner.main", *words),
            env=self.env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def must(self, *words: str) -> Said:
        said = self.run(*words)
        assert said.code == 0, self.explain(words, said)
        return said

    def explain(self, words: Sequence[str], said: Said) -> str:
        """Why a command may have failed: its own last words, and its supervisor's."""
        said_so = (said.out, said.err, f"The supervisor: {self.errors()}")
        return "\n".join((f"slug-run {' '.join(words)}: {said.code}", *map(shortened, said_so)))

    def start(self, *words: str) -> Said:
        return self.must("start", "-d", *words, "--port", str(self.port))

    def release(self, color: str) -> None:
        """What a config change does to the state."""
        with opened_state(self.home) as state:
            current = state.current(self.app)
            assert current is not None
            new = NewRelease(
                slug=current.slug, config_vars={"COLOR": color}, description="Set COLOR", who="me"
            )
            state.add_release(self.app, lambda _: new)

    def containers(self) -> dict[str, dict[str, Any]]:
        """By name; two of one name are a failure."""
        found = json.loads(self.must("ps", "--json").out)
        assert len({each["name"] for each in found}) == len(found), found
        return {each["name"]: each for each in found}

    def containers_now(self) -> list[dict[str, Any]]:
        """All there are, also two in one place while one replaces the other."""
        return list(json.loads(self.must("ps", "--json").out))

    def pids(self) -> dict[str, int]:
        return {name: each["pid"] for name, each in self.containers().items()}

    def log(self, *words: str) -> str:
        return self.must("logs", "-n", "100000", *words).out

    def errors(self) -> str:
        path = self.supervisor_dir / "errors"
        return path.read_text() if path.exists() else ""

    def get(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return str(answer.read().decode())

    def processes(self) -> dict[str, int]:
        """keeper, supervisor and caddy, by the marks that only ours have."""
        found = {}
        for pid, line in command_lines().items():
            if f"daemon\0{self.app.number}\0" in line and f"SLUGKIT_HOME={self.home}\0" in environ(
                pid
            ):
                found["keeper" if "keeper.py" in line else "supervisor"] = pid
            elif "caddy\0run" in line and any(run in line for run in self.runs()):
                found["caddy"] = pid
        return found

    def runs(self) -> list[str]:
        directory = self.home / "run"
        return [each.name for each in directory.glob("embedded-*")] if directory.is_dir() else []

    def left_behind(self, runs: list[str]) -> list[str]:
        """Processes, directories and control groups of those runs, once the app was stopped."""
        marks = (str(self.home), *runs)
        found = [
            f"{pid} {line}"
            for pid, line in command_lines().items()
            if pid != os.getpid() and any(mark in line for mark in marks)
        ]
        found += [run for run in runs if (self.home / "run" / run).exists()]
        hierarchies = find_hierarchies()
        for top in hierarchies.parents if hierarchies is not None else ():
            found += [str(top / run) for run in runs if (top / "slugkit" / run).exists()]
        return found


def command_lines() -> dict[int, str]:
    """Every live process's; those that have ended have none."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
    return found


def environ(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace") + "\0"
    except OSError:
        return ""


def deployed(root: Path, *, port: int, files: Mapping[str, str] | None = None) -> Site:
    """Build the app with a buildpack of three lines, and note it as a release."""
    app, buildpack = root / "app", root / "buildpack" / "bin"
    for directory in (app, buildpack):
        directory.mkdir(parents=True)
    for name, text in (files or {"Procfile": PROCFILE, **FILES}).items():
        (app / name).write_text(text)
    for name, text in BUILDPACK.items():
        (buildpack / name).write_text(text)
        (buildpack / name).chmod(0o755)
    home, slug = root / "home", root / "app.slug"
    env = {**os.environ, "SLUGKIT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    argv = ("slugc.main", "build", str(app), "-b", str(buildpack.parent), "-o", str(slug), "-q")
    subprocess.run((sys.executable, "-m", *argv), env=env, check=True, timeout=LIMIT, stdout=-3)
    kept = KeptSlugs(home)
    with opened_state(home) as state, kept.held():
        known = kept.keep(read_slug(slug))
        found = state.create_app("polls")
        new = NewRelease(
            slug=known.metadata.checksum, config_vars={}, description="Deploy", who="me"
        )
        state.add_release(found, lambda _: new)
    return Site(home=home, port=port, app=found)
