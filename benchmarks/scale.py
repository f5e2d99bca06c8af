"""1 to 50 containers, against as many bare bubblewraps of the same app.

    python -m benchmarks.scale [COUNT] [RUNS]

Both with one worker each, so that nothing but processors is short. Attached: from `slug-run web
--count 50`, kept running: from `slug-run scale web=50`, until each of them has answered a request
through the router. The peer: until each answers on a port of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.boot import App, free_port, prepare, status, with_directory
from benchmarks.pairs import Claim, measure, program, report, timed

COUNT, RUNS = 50, 3
LIMIT = 1.2
PATIENCE = 120.0
ANSWERED = re.compile(rb'app\[(web\.\d+)\].*"GET / HTTP/1\.\d" 200 ')
CAME_UP = re.compile(rb"(web\.\d+)\]: State changed from \w+ to up")
ONE_WORKER = "WEB_CONCURRENCY=1"
NAME = "scaled"


def attached(app: App, count: int) -> float:
    """Seconds until each of ``count`` containers has written that it answered."""
    port = free_port()
    words = ("web", "--count", str(count), "--slug", str(app.slug), "--port", str(port))
    argv = (program("slug-run"), *words, "-e", ONE_WORKER)
    with tempfile.TemporaryFile() as said, ThreadPoolExecutor(count) as pool:
        started = time.perf_counter()
        process = subprocess.Popen(argv, env=app.env, stdout=said, stderr=said)
        try:
            while len(_answered(said.fileno())) < count:
                if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                    sys.exit(f"slug-run did not come up:\n{os.pread(said.fileno(), 4000, 0)!r}")
                if b" is up at " in _text(said.fileno()):
                    list(pool.map(status, [port] * count))  # the router takes who has least to do
                else:
                    time.sleep(0.02)
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _answered(descriptor: int) -> set[bytes]:
    return set(ANSWERED.findall(_text(descriptor)))


def _text(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def bare(app: App, count: int) -> float:
    """Seconds until each of ``count`` bare bubblewraps answers on a port of its own."""
    ports = [free_port() for _ in range(count)]
    started = time.perf_counter()
    processes = [subprocess.Popen(_bwrap(app, port), env={}) for port in ports]
    try:
        for port in ports:
            while status(port) != 200:
                if time.perf_counter() - started > PATIENCE:
                    sys.exit("a bare bubblewrap did not come up")
                time.sleep(0.02)
        return time.perf_counter() - started
    finally:
        for process in processes:
            process.kill()  # --die-with-parent ends what is inside
        for process in processes:
            process.wait(timeout=60)


def _bwrap(app: App, port: int) -> tuple[str, ...]:
    name, _, workers = ONE_WORKER.partition("=")
    facts = {"HOME": "/app", "PORT": str(port), "DYNO": "web.1", "PATH": "/usr/bin:/bin"}
    return (
        *("/usr/bin/bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
        *("--die-with-parent", "--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc"),
        *("--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"),
        *("--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"),
        *("--tmpfs", "/tmp", "--bind", str(app.tree), "/app", "--tmpfs", "/app/.gunicorn"),
        *(word for each, text in facts.items() for word in ("--setenv", each, text)),
        *("--setenv", name, workers, "bash", "-c", f"{{ {app.start}; }} >/dev/null 2>&1"),
    )


def scaled(app: App, count: int, port: int) -> float:
    """Seconds from `slug-run scale` until the log says that each new container answered."""
    slug_run = program("slug-run")
    follow = (slug_run, "logs", "--tail", "--num", "1", "--app", NAME)
    with tempfile.TemporaryFile() as said, ThreadPoolExecutor(count) as pool:
        log = subprocess.Popen(follow, env=app.env, stdout=said)
        time.sleep(1.0)  # it follows
        started = time.perf_counter()
        try:
            timed((slug_run, "scale", f"web={count}", "--app", NAME), env=app.env)
            while len(_answered(said.fileno()) - {b"web.1"}) < count - 1:
                if time.perf_counter() - started > PATIENCE:
                    sys.exit("the app did not come up")
                if len(set(CAME_UP.findall(_text(said.fileno()))) - {b"web.1"}) >= count - 1:
                    list(pool.map(status, [port] * count))
                else:
                    time.sleep(0.02)
            return time.perf_counter() - started
        finally:
            log.terminate()
            log.wait(timeout=60)
            timed((slug_run, "scale", "web=1", "--app", NAME), env=app.env)
            while _running(app) > 1:
                time.sleep(0.5)


def _running(app: App) -> int:
    argv = (program("slug-run"), "ps", "web", "--app", NAME, "--json")
    return len(
        json.loads(subprocess.run(argv, env=app.env, check=True, stdout=subprocess.PIPE).stdout)
    )


def report_scaling(directory: Path, count: int, runs: int) -> int:
    app = prepare("flask_hello", directory)
    (app.tree / ".gunicorn").mkdir()
    attached(app, 2), bare(app, 2)  # everything unpacked and read into memory
    run = Claim(name=f"slug-run web --count {count}", peer=f"{count} bare bwraps", limit=LIMIT)
    found = [measure(run, lambda: attached(app, count), lambda: bare(app, count), runs=runs)]
    slug_run = program("slug-run")
    timed((slug_run, "deploy", str(app.slug), "--app", NAME, "--create"), env=app.env)
    timed((slug_run, "config", "set", ONE_WORKER, "--app", NAME), env=app.env)
    port = free_port()
    timed((slug_run, "start", "-d", "--app", NAME, "--port", str(port)), env=app.env)
    try:
        scale = Claim(name=f"slug-run scale web={count}", peer=run.peer, limit=LIMIT)
        found.append(
            measure(scale, lambda: scaled(app, count, port), lambda: bare(app, count), runs=runs)
        )
    finally:
        timed((slug_run, "stop", "--app", NAME), env=app.env)
    return report(found)


def main() -> int:
    given = [int(word) for word in sys.argv[1:]]
    count, runs = (*given, *(COUNT, RUNS)[len(given) :])
    return with_directory(lambda directory: report_scaling(directory, count, runs))


if __name__ == "__main__":
    sys.exit(main())
