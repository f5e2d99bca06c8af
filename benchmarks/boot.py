"""From `slug-run web` to the first HTTP 200, against the same gunicorn started bare.

    python -m benchmarks.boot [RUNS]

The bare process runs from the same slug, unpacked to a directory, with the same config. Both
sides are asked every few milliseconds until a page with status 200 comes back.
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
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.pairs import FIXTURES, Claim, environment, measure, program, report, timed

LIMIT = 1.5
RUNS = 11
DEFAULT_PORT = 5000
POLL = 0.004
PATIENCE = 60.0

# What a container does, without the container: profile scripts, then the process type's command.
BARE = 'for script in "$HOME"/.profile.d/*.sh; do . "$script"; done; exec gunicorn mysite.wsgi'


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


def boot(argv: Sequence[str], port: int, *, cwd: Path, env: Mapping[str, str], log: Path) -> float:
    """Seconds from starting ``argv`` to the first 200 on ``port``; then it is stopped."""
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while status(port) != 200:
                if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                    sys.exit(f"{argv[0]} did not come up:\n{log.read_text()[-4000:]}")
                time.sleep(POLL)
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def unpack(slug: Path, directory: Path) -> Path:
    """The app directory of ``slug``, by the plain tools that any slug opens with."""
    directory.mkdir()
    subprocess.run(("tar", "--zstd", "-xf", str(slug), "-C", str(directory)), check=True)
    return directory / "app"


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    directory = Path(tempfile.mkdtemp(prefix="slugkit-bench-", dir="/var/tmp"))
    directory.chmod(0o755)
    try:
        return report_boot(directory, runs)
    finally:
        shutil.rmtree(directory)


def report_boot(directory: Path, runs: int) -> int:
    slug, log = directory / "polls.slug", directory / "log"
    env = environment(SLUGKIT_HOME=str(directory / "home"), SLUG_RUN_ENGINE="embedded")
    build = (program("slugc"), "build", str(FIXTURES / "django_polls"), "--output", str(slug))
    timed(build, env=env)
    app = unpack(slug, directory / "unpacked")

    def ours() -> float:
        # As a person types it: one container, published on the default port.
        argv = (program("slug-run"), "web", "--slug", str(slug))
        return boot(argv, DEFAULT_PORT, cwd=directory, env=env, log=log)

    def bare() -> float:
        port = free_port()
        own = {"HOME": str(app), "PORT": str(port), "DYNO": "web.1", "PATH": os.environ["PATH"]}
        return boot(("bash", "-c", BARE), port, cwd=app, env=own, log=log)

    if status(DEFAULT_PORT) is not None:
        sys.exit(f"something answers on port {DEFAULT_PORT}: stop it first")
    ours(), bare()  # the store unpacks the slug once, and both trees are read into memory
    claim = Claim(name="slug-run web to HTTP 200", peer="bare gunicorn", limit=LIMIT)
    return report([measure(claim, ours, bare, runs=runs)])


if __name__ == "__main__":
    sys.exit(main())
