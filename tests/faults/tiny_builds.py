"""Builds of a tenth of a second: an app of a few files and a buildpack of a few lines of bash."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slugc.store import Store
from slugc.store_check import verify_store
from tests.environment import given
from tests.integration.supervision_support import command_lines
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
SLUGC = (sys.executable, "-m", "slugc.main")

DETECT = "#!/usr/bin/env bash\necho Tiny\n"
# Something in the cache, which a build that is killed may leave half-made; dependencies of some
# size that never change; and a pause for whoever wants to see frames packed early.
COMPILE = """\
#!/usr/bin/env bash
set -e
build=$1 cache=$2 env=$3
if [ ! -f "$cache/made" ]; then
  seq 30000 > "$cache/part"
  seq 10000 > "$cache/made"
fi
mkdir -p "$build/node_modules/one" "$build/node_modules/two"
cp "$cache/part" "$build/node_modules/one/numbers"
seq 60000 > "$build/node_modules/two/numbers"
seq 1000 > "$build/built"
if [ -f "$env/PAUSE" ]; then sleep "$(cat "$env/PAUSE")"; fi
"""
RELEASE = "#!/usr/bin/env bash\necho 'default_process_types: {web: serve}'\n"
LIMIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiny:
    """One app, its buildpack, a data directory and a place for slugs."""

    root: Path
    home: Path
    extra_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def app(self) -> Path:
        return self.root / "app"

    @property
    def env(self) -> dict[str, str]:
        ours = {"PYTHONPATH": os.fspath(ROOT), "SLUGKIT_HOME": os.fspath(self.home)}
        return {**given(), **ours, **self.extra_env}

    @property
    def store(self) -> Store:
        return Store(self.home / "store")

    def build_argv(self, output: Path, *options: str, app: Path | None = None) -> tuple[str, ...]:
        buildpack = os.fspath(self.root / "bp")
        source = os.fspath(app or self.app)
        return (*SLUGC, "build", source, "-b", buildpack, "-o", os.fspath(output), *options)

    def build(self, output: Path, *options: str, app: Path | None = None) -> Ended:
        return self.run(*self.build_argv(output, "-q", *options, app=app))

    def run(self, *argv: str, cwd: Path | None = None) -> Ended:
        done = subprocess.run(
            argv,
            cwd=cwd or self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=LIMIT,
        )
        return Ended(code=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())

    def slugc(self, *words: str) -> Ended:
        return self.run(*SLUGC, *words)

    def kill_after(self, argv: Sequence[str], seconds: float) -> int:
        """Start a command and SIGKILL it: its exit code, or -9."""
        process = subprocess.Popen(
            argv,
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait(LIMIT)

    def problems(self) -> tuple[str, ...]:
        return verify_store(self.store).problems

    def leftovers(self) -> list[str]:
        """What was begun and never finished, anywhere; the trash of builds is emptied behind us."""
        found = [*self.home.rglob("*.tmp"), *self.home.rglob(".gone-*"), *self.root.glob(".*.tmp")]
        return sorted(os.fspath(path) for path in found)

    def processes(self) -> list[str]:
        """The command lines of processes that work in our directories."""
        lines = command_lines().items()
        return [line for pid, line in lines if str(self.root) in line and pid != os.getpid()]

    def await_no_processes(self) -> list[str]:
        deadline = time.monotonic() + PATIENCE
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


def make_tiny(root: Path, home: Path | None = None) -> Tiny:
    """The app and the buildpack, below ``root``."""
    (root / "app" / "lib").mkdir(parents=True)
    (root / "app" / "main.txt").write_text("hello\n")
    (root / "app" / "lib" / "code.txt").write_text("code\n" * 500)
    (root / "bp" / "bin").mkdir(parents=True)
    for name, text in (("detect", DETECT), ("compile", COMPILE), ("release", RELEASE)):
        program = root / "bp" / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    return Tiny(root=root, home=home or root / "home")


def digest(slug: Path) -> str:
    return hashlib.sha256(slug.read_bytes()).hexdigest()
