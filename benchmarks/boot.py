"""From `slug-run web` to the first HTTP 200, against the same gunicorn started bare.

    python -m benchmarks.boot [RUNS]

The bare process runs from the same slug, unpacked to a directory, with the same config. Both
sides are asked every few milliseconds until a page with status 200 comes back. For information: the
Django fixture as it might be in some years, with 45 distributions of which it imports the large.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pairs import FIXTURES, Claim, Pairs, environment, measure, program, report, timed
from slugc.procfile import parse_procfile

LIMITS = {"django_polls": 1.2, "flask_hello": 1.6}
MARKET = Path(__file__).parent / "apps" / "market"
IMPORTED = """
import boto3, psycopg, redis, requests, sentry_sdk, stripe  # noqa
from celery import Celery  # noqa
"""
RUNS = 11
DEFAULT_PORT = 5000
POLL = 0.004
PATIENCE = 60.0

# What a container does, without the container: profile scripts, then the process type's command.
START = 'cd "$HOME"; for script in "$HOME"/.profile.d/*.sh; do . "$script"; done; exec {command}'


def free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def status(port: int) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def boot(  # a program, its surroundings, and how it is stopped
    argv: Sequence[str],
    port: int,
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: Path = Path(os.devnull),
    stop: Callable[[], None] | None = None,
) -> float:
    """Seconds from starting ``argv`` to the first 200 on ``port``; then it is stopped."""
    with tempfile.TemporaryFile() as output, stdin.open("rb") as given:
        started = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=given, stdout=output, stderr=output
        )
        try:
            while status(port) != 200:
                if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                    output.seek(0)
                    said = output.read()[-4000:].decode("utf-8", "replace")
                    sys.exit(f"{argv[0]} did not come up:\n{said}")
                time.sleep(POLL)
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM) if stop is None else stop()
            process.wait(timeout=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One fixture, built, and its slug unpacked by the plain tools that any slug opens with."""

    name: str
    slug: Path
    tree: Path
    env: Mapping[str, str]

    @property
    def start(self) -> str:
        """The shell line that starts its web process bare."""
        types = parse_procfile((self.tree / "Procfile").read_bytes(), name="Procfile")
        commands = {str(name): command for name, command in types.items()}
        return START.format(command=commands["web"])

    def ours(self) -> float:
        """As a person types it: one container, published on the default port."""
        if status(DEFAULT_PORT) is not None:
            sys.exit(f"something answers on port {DEFAULT_PORT}: stop it first")
        argv = (program("slug-run"), "web", "--slug", str(self.slug))
        return boot(argv, DEFAULT_PORT, cwd=self.slug.parent, env=self.env)

    def bare(self) -> float:
        port = free_port()
        env = {"HOME": str(self.tree), "PORT": str(port), "DYNO": "web.1"}
        env["PATH"] = os.environ["PATH"]
        env["WEB_CONCURRENCY"] = "2"  # as in a container of the usual 512 MB, not five
        return boot(("bash", "-c", self.start), port, cwd=self.tree, env=env)


def grown(directory: Path) -> Path:
    """The Django fixture with a grown app's requirements, and what that imports at its start."""
    app = shutil.copytree(FIXTURES / "django_polls", directory / "market")
    shutil.copyfile(MARKET / "requirements.txt", app / "requirements.txt")
    with (app / "mysite" / "wsgi.py").open("a") as file:
        file.write(IMPORTED)
    return app


def prepare(name: str, directory: Path, source: Path | None = None) -> App:
    """Build ``source``, else the fixture called ``name``; the slug is unpacked beside it."""
    slug, unpacked = directory / f"{name}.slug", directory / f"{name}-unpacked"
    env = environment(SLUGKIT_HOME=str(directory / "home"), SLUG_RUN_ENGINE="embedded")
    app = str(source or FIXTURES / name)
    timed((program("slugc"), "build", app, "--output", str(slug)), env=env)
    unpacked.mkdir()
    subprocess.run(("tar", "--zstd", "-xf", str(slug), "-C", str(unpacked)), check=True)
    return App(name=name, slug=slug, tree=unpacked / "app", env=env)


def with_directory(report_on: Callable[[Path], int]) -> int:
    """Give it a directory that other users may enter, and remove that afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="slugkit-bench-", dir="/var/tmp"))
    directory.chmod(0o755)
    try:
        return report_on(directory)
    finally:
        shutil.rmtree(directory)


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    return with_directory(lambda directory: report_boot(directory, runs))


def report_boot(directory: Path, runs: int) -> int:
    found: list[Pairs] = []
    for name, limit in (*LIMITS.items(), (MARKET.name, None)):
        source = grown(directory) if name == MARKET.name else None
        app = prepare(name, directory, source)
        app.ours(), app.bare()  # the store unpacks the slug once; both trees are read into memory
        claim = Claim(name=f"slug-run web of {name} to HTTP 200", peer="bare gunicorn", limit=limit)
        found.append(measure(claim, app.ours, app.bare, runs=runs))
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
