"""How whole outputs of bin/compile are made comparable: one day, one Python, no seconds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpack.tools import ToolBox
from tests.api.compiling import ROOT, build_env
from tests.integration.lock_support import PINNED
from tests.pythons import WANTED, newest, python_of, pythons_here
from tests.stories import DAY, SNAPSHOTS, Story

ON_THE_DAY = f"""
import datetime, runpy, sys
class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls({DAY.year}, {DAY.month}, {DAY.day}, tzinfo=tz)
datetime.datetime = Day
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SHARED = ("tools", "uv", "bytecode", "buildpack-bytecode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one run of bin/compile ended; ``text`` is all it printed, in order."""

    code: int
    text: str
    report: dict[str, object]


class Machine:
    """One build machine: each app has a cache of its own, with the tools, wheels and Pythons of
    the builds before, so that none of them says what another one left."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        python = shutil.which("python3", path=f"{Path(sys.base_prefix) / 'bin'}:/usr/bin")
        shim = root / "bin" / "python3"
        shim.write_text(f"#!/bin/sh\nshift 3\nexec {python} -I -S -B -c '{ON_THE_DAY}' \"$@\"\n")
        shim.chmod(0o755)

    def lock(self, story: Story, app: Path) -> None:
        """Make the lock file of the app with its own tool, as on its author's desk."""
        if not story.lock:
            return
        uv = ToolBox(directory=self.root / "tools", env=build_env()).program("uv")
        name, *words = story.lock
        env = {**build_env(), "UV_PYTHON_DOWNLOADS": "never", "UV_CACHE_DIR": str(self.root / "uv")}
        if name == "uv":
            self._run(uv, *words, cwd=app, env=env)
            if "-o" in words:
                (app / "uv.lock").unlink()
            return
        home = self.root / name
        if not home.exists():
            python = str(python_of(newest()))
            self._run(uv, "venv", "-q", "-p", python, str(home), cwd=app, env=env)
            self._run(uv, "pip", "install", "-q", "-p", str(home), PINNED[name], cwd=app, env=env)
        active = {"VIRTUAL_ENV": str(home), "PIPENV_NOSPIN": "1", "PIPENV_VERBOSITY": "-1"}
        self._run(home / "bin" / name, *words, cwd=app, env={**env, **active})

    @staticmethod
    def _run(program: Path, *words: str, cwd: Path, env: Mapping[str, str]) -> None:
        done = subprocess.run(
            (program, *words),
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def compile(self, story: Story, app: Path, **env: str) -> Outcome:
        """Build the app at ``app``, a directory of this test's own."""
        cache, env_dir = app.parent / "cache", app.parent / "env"
        self._share(cache, _series(story))
        env_dir.mkdir()
        for name, value in {**story.env, **env}.items():
            (env_dir / name).write_text(value)
        machine = build_env()
        done = subprocess.run(
            [str(ROOT / "bin" / "compile"), str(app), str(cache), str(env_dir)],
            env={**machine, "PATH": f"{self.root / 'bin'}:{machine['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        kept = cache / "build-data" / "python.json"
        return Outcome(code=done.returncode, text=done.stdout, report=json.loads(kept.read_bytes()))

    def _share(self, cache: Path, series: str) -> None:
        cache.mkdir()
        shared = {name: self.root / name for name in SHARED}
        for name, place in {**shared, "runtimes": self.root / f"runtimes-{series}"}.items():
            place.mkdir(exist_ok=True)
            (cache / name).symlink_to(place)


def has_its_python(story: Story) -> bool:
    """Whether this machine has the Python the snapshot was made with: the one the story asks for,
    or, where it leaves the choice to us, the newest of those that tests know."""
    asked = _series(story).replace("-", ".")
    named = asked if re.fullmatch(r"3\.\d+", asked) else WANTED[-1]
    return named in pythons_here()


def _series(story: Story) -> str:
    """Which shelf of Pythons: a cache keeps the three used last, and here there are more."""
    snapshot = SNAPSHOTS / "plans" / f"{story.name}.json"
    asked = json.loads(snapshot.read_bytes())["python_version"] if snapshot.exists() else ""
    return re.sub(r"\W+", "-", asked) or "default"


SIZE = r"[\d.]+ [kMG]B"
REPLACED = (
    (r"\b(in|took) [\d.]+ ?[mµ]?s\b", r"\1 TIME"),
    (r"Done in TIME \(.*\)\.", "Done in TIME."),
    (r"failed to fetch into: CACHE", "failed to clone into: CACHE"),  # where it was tried before
    (rf" +{SIZE}$", "  SIZE"),
    (SIZE, "SIZE"),
    (r"(Using Python \d+\.\d+)\.\d+ \((.*)\): a copy of .* on the build machine\.",
     r"\1.N (\2): a copy of one on the build machine."),
    (r"(Python \d+\.\d+)\.\d+ is not the newest", r"\1.N is not the newest"),
    # Which frames a traceback has, and what they look like, is Python's affair.
    (r"^( *Traceback \(most recent call last\):)\n(?: {8,}.*\n)*", r"\1\n         ...\n"),
    (r"\b0x[0-9a-f]{8,}\b", "0x..."),
    (r"^( +)(PATH|HOME|SSL_CERT_FILE|SSL_CERT_DIR)[= ].*$", r"\1\2=..."),
)  # fmt: skip
DROPPED = r" {7} *(Prepared \d+ package|Downloading \S+ \(|Downloaded \S+$|Building \S+|TMPDIR \()"
"""What uv says of the wheels that an earlier build had not fetched yet, and when it begins; a
variable that a run of the tests may set."""


def comparable(text: str, app: Path) -> str:
    """The output without what differs from machine to machine and from hour to hour.

    The sizes of packages stand in the order of their names, as sizes are those of one machine.
    """
    for place, name in ((app, "APP"), (app.parent / "cache", "CACHE"), (app.parent, "TMP")):
        text = text.replace(os.path.realpath(place), name).replace(str(place), name)
    for pattern, replacement in REPLACED:
        text = re.sub(pattern, replacement, text, flags=re.M)
    text = _without_floating_versions(text, app)
    lines = [line for line in text.splitlines() if not re.match(DROPPED, line)]
    text = "\n".join(_sorted(_sorted(lines, r".*  SIZE$"), r" +Built ")) + "\n"
    return re.sub(r"( {7}Installed \d+ packages? in TIME\n){2,}", _sum, text)


def _sum(match: re.Match[str]) -> str:
    """Wheels that were there early, and the rest: together."""
    count = sum(map(int, re.findall(r"Installed (\d+)", match[0])))
    return f"       Installed {count} packages in TIME\n"


def _without_floating_versions(text: str, app: Path) -> str:
    """Without the versions of packages that no file of the app names, nor the story's note."""
    files = [path for path in app.rglob("*") if path.is_file() and ".heroku" not in path.parts]
    said = " ".join(path.read_bytes().decode("utf-8", "replace") for path in files)
    for name, version in set(re.findall(r"^ {8}\+ ([\w.-]+)==(\S+)$", text, flags=re.M)):
        if version not in said:
            text = re.sub(rf"\b{re.escape(name)}(==| ){re.escape(version)}\b", rf"{name}\1*", text)
    return text


def _sorted(lines: list[str], pattern: str) -> list[str]:
    """The lines of this pattern change places until they are in order."""
    chosen = iter(sorted(line for line in lines if re.match(pattern, line)))
    return [next(chosen) if re.match(pattern, line) else line for line in lines]
