"""An app's whole life in the hands of an ordinary user: deployed, rolled out, scheduled, stopped.

Started by root the test becomes that user; code and packages are copies that every user may read.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.embedded_support import (
    SYSTEM_PYTHON,
    as_user,
    open_checkout,
    ordinary_user,
)
from tests.integration.rollout_support import SERVER
from tests.integration.supervision_support import BUILDPACK, LIMIT, ROOT, Said, command_lines
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

PACKAGES: tuple[str, ...] = ("click", "cronsim", "tzdata", "packaging", "tarsafe", "pathspec")
if sys.version_info < (3, 14):
    PACKAGES += ("backports.zstd",)
VERSION = "import sys; print(*sys.version_info[:2])"
PROCFILE = """\
web: exec /usr/bin/python3 server.py
worker: id -u; exec sleep 100000
greedy: head -c 100000000 /dev/zero | tail
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who has nothing but a home and what slug-run is made of."""

    home: Path
    argv: tuple[str, ...]

    def run(self, *words: str) -> Said:
        argv = (*self.argv, "-m", "runner.main", *words)
        done = subprocess.run(
            argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
            check=False,
        )  # fmt: skip
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def must(self, *words: str) -> str:
        said = self.run(*words)
        assert said.code == 0, (words, said)
        return said.out

    def slug(self, name: str, *, server: str = SERVER) -> str:
        """Its server answers with ``name``."""
        app, slug = self.home / name, self.home / f"{name}.slug"
        for directory in (app, self.home / "bp" / "bin"):
            directory.mkdir(parents=True, exist_ok=True)
        (app / "Procfile").write_text(PROCFILE)
        (app / "server.py").write_text(server.replace("RELEASE", name))
        for each, text in BUILDPACK.items():
            path = self.home / "bp" / "bin" / each
            path.write_text(text)
            path.chmod(0o755)
        env = {**os.environ, "SLUGKIT_HOME": str(self.home / "built"), "PYTHONPATH": str(ROOT)}
        words = ("build", str(app), "-b", str(self.home / "bp"), "-q")
        argv = (sys.executable, "-m", "slugc.main", *words, "-o", str(slug))
        subprocess.run(argv, env=env, check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)
        slug.chmod(0o644)
        return str(slug)


def python_of(become: tuple[str, ...]) -> str:
    """A Python of our version, whose packages we have, that the user may run."""
    for each in (os.path.realpath(sys.executable), SYSTEM_PYTHON):
        argv = (*become, each, "-c", VERSION)
        said = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
        if said.stdout.split() == [str(part) for part in sys.version_info[:2]]:
            return each
    pytest.skip(f"no Python {sys.version_info[0]}.{sys.version_info[1]} for an ordinary user")


@pytest.fixture
def user() -> Iterator[User]:
    with open_checkout() as code, tempfile.TemporaryDirectory(prefix="slugkit-test-") as name:
        for package in PACKAGES:
            found = importlib.util.find_spec(package)
            assert found is not None
            assert found.origin is not None
            shutil.copytree(Path(found.origin).parent, code / package.replace(".", "/"))
        for path in code.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        home = Path(name)
        home.chmod(0o755)
        state = home / "state"
        state.mkdir()
        become = tuple(as_user(home)) if os.getuid() == 0 else ("env",)
        if os.getuid() == 0:
            shutil.chown(state, ordinary_user().pw_uid)
        settings = (f"PYTHONPATH={code}", f"SLUGKIT_HOME={state}", "PYTHONDONTWRITEBYTECODE=1")
        made = User(home=home, argv=(*become, *settings, python_of(become)))
        yield made
        made.run("stop", "--force", "--app", "polls")


def test_an_ordinary_user_deploys_rolls_out_schedules_and_stops(user: User) -> None:
    port = free_port()

    def get() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    user.must("apps", "create", "polls")
    user.must("deploy", user.slug("one"))
    user.must("start", "-d", "web=2", "worker=1", "--port", str(port), "--health", "/")
    assert get() == "one"
    user.must("deploy", user.slug("two"))
    assert get() == "two"
    failed = user.run("deploy", user.slug("three", server="raise SystemExit(3)"))
    assert failed.code == 1
    assert "v2 keeps running" in failed.err
    assert get() == "two"
    user.must("schedule", "add", "0 0 1 1 *", "--name", "look", "--", "echo looked; exit 4")
    user.must("schedule", "run", "look")
    until(lambda: "exited with status 4" in user.must("logs", "-n", "1000"))
    limited = user.run("run", "--memory", "32M", "--quiet", "greedy")
    assert limited.code != 0
    rows = json.loads(user.must("ps", "--json"))
    assert {row["name"]: row["state"] for row in rows} == dict.fromkeys(
        ("web.1", "web.2", "worker.1"), "up"
    )
    log = user.must("logs", "-n", "1000")
    assert "app[worker.1]: 1000" in log
    assert 'path="/"' in log
    user.must("stop")
    left = [line for line in command_lines().values() if str(user.home / "state") in line]
    assert left == []
