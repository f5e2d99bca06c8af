"""slug-run as a person starts it, with a slug that is small enough to be made on the spot."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import SlugFacts
from slugc.stack import read_host_stack
from slugc.store import Store
from tests.waiting import until

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
ENGINES = [
    pytest.param("host", id="host"),
    pytest.param("embedded", id="embedded", marks=pytest.mark.embedded),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlugRun:
    """slug-run on one engine, with a directory of its own."""

    engine: str
    directory: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "LOGNAME": "alice",
            "SLUGKIT_HOME": str(self.directory / "home"),
            "SLUG_RUN_ENGINE": self.engine,
            "PYTHONPATH": str(ROOT),
        }

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "runner.main", *words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiny(SlugRun):
    """It has one slug, tiny.slug."""

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

    def wait_for(self, pattern: str) -> None:
        def found() -> bool:
            said = self.log + self.notices
            if re.search(pattern, said):
                return True
            assert self.process.poll() is None, said
            return False

        until(found, lambda: self.log + self.notices)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def make_tiny(engine: str, session_dir: Path) -> Tiny:
    directory = Path(tempfile.mkdtemp(prefix=f"slug-run-{engine}-", dir=session_dir))
    directory.chmod(0o755)
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
    return Tiny(engine=engine, directory=directory)
