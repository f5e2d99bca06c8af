"""`bin/quickstart --check` believes a container only when it has answered."""

from __future__ import annotations

import http.server
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "bin/lib/ask_containers.py"


@contextmanager
def serving(pages: Sequence[str]) -> Iterator[str]:
    """A server that gives ``pages`` in turn, again and again."""
    turn = itertools.cycle(pages)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(next(turn).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(url: str, log: Path, *names: str, pid: int) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-I", str(SCRIPT), url, str(pid), str(log), *names)
    return subprocess.run(argv, capture_output=True, check=False, text=True, timeout=60)


def test_each_container_is_recognised_by_its_page(tmp_path: Path) -> None:
    with serving(["by web.1", "by web.2"]) as url:
        done = ask(url, tmp_path / "log", "web.1", "web.2", pid=os.getpid())
    assert done.returncode == 0
    assert done.stderr == "       web.1 answers\n       web.2 answers\n"


def test_an_app_that_does_not_say_counts_when_the_runner_says_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("12:00:02 slug-run[web.1]  State changed from starting to up\n")
    with serving(["hello"]) as url:
        done = ask(url, log, "web.1", pid=os.getpid())
    assert done.returncode == 0
    assert done.stderr == f"       {url} answers; up, says slug-run: web.1\n"


def test_a_runner_that_has_ended_is_not_waited_for(tmp_path: Path) -> None:
    ended = subprocess.Popen(("true",))
    ended.wait()
    done = ask("http://127.0.0.1:9/", tmp_path / "log", "web.1", pid=ended.pid)
    assert done.returncode == 1
    assert done.stderr == ""  # it has said itself why
