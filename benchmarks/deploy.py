"""Rolling deploys of ten containers under load: not one request fails.

An app that ends at once at SIGTERM, with whatever it is doing, is deployed again and again, each
time with another slug, while clients of every kind ask it without a pause: on connections they
keep and on new ones, GET and POST, and for answers that take seconds. For information: how long a
deploy takes, against starting the same formation anew.

python -m benchmarks.deploy [DEPLOYS]
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.load import Load
from benchmarks.pairs import program

DEPLOYS = 20
CONTAINERS = 10
SERVER = """\
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/slow":
            time.sleep(2)
        body = RELEASE
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
BUILDPACK = {
    "detect": "#!/bin/sh\necho Tiny\n",
    "compile": "#!/bin/sh\ntrue\n",
    "release": "#!/bin/sh\necho '{}'\n",
}


class Bench:
    """A data directory with one app in it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.chmod(0o755)
        self.env = {**os.environ, "SLUGKIT_HOME": str(root / "home"), "SLUG_RUN_APP": "bench"}
        directory = root / "buildpack" / "bin"
        directory.mkdir(parents=True)
        for name, text in BUILDPACK.items():
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)

    def slug(self, release: int) -> Path:
        app, slug = self._root / f"app-{release}", self._root / f"{release}.slug"
        app.mkdir()
        (app / "Procfile").write_text("web: exec /usr/bin/python3 server.py\n")
        (app / "server.py").write_text(SERVER.replace("RELEASE", repr(b"%d" % release)))
        buildpack = str(self._root / "buildpack")
        self.run("slugc", "build", str(app), "-b", buildpack, "-o", str(slug), "-q")
        return slug

    def run(self, name: str, *words: str) -> float:
        """Seconds."""
        began = time.perf_counter()
        argv = (program(name), *words)
        done = subprocess.run(argv, env=self.env, capture_output=True, check=False, cwd="/")
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr.decode()}")
        return time.perf_counter() - began


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def measured(bench: Bench, deploys: int) -> int:
    slugs = [bench.slug(number) for number in range(deploys + 1)]
    port = free_port()
    bench.run("slug-run", "deploy", str(slugs[0]), "--app", "bench", "--create")
    started = bench.run("slug-run", "start", "-d", f"web={CONTAINERS}", "--port", str(port))
    load = Load(port=port)
    try:
        times = load.during(
            lambda: [bench.run("slug-run", "deploy", str(slug)) for slug in slugs[1:]]
        )
    finally:
        bench.run("slug-run", "stop")
    missing = [n for n in range(deploys + 1) if str(n) not in load.bodies]
    rate = load.total / sum(times)
    print(
        f"{deploys} rolling deploys of {CONTAINERS} containers: {load.total:,} requests,"
        f" {len(load.failed)} failed; {median(times):.1f} s a deploy, {rate:,.0f}"
        f" requests a second, the longest {load.longest * 1000:,.0f} ms;"
        f" the same formation started anew: {started:.1f} s"
    )
    print(", ".join(f"{kind}: {count:,}" for kind, count in sorted(load.answered.items())))
    for text in load.failed[:20]:
        print(f"    {text}")
    if missing:
        print(f"never answered: releases {missing}")
    return int(bool(load.failed or missing))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="slugkit-deploy-", dir="/var/tmp") as name:
        return measured(Bench(Path(name)), int(sys.argv[1]) if len(sys.argv) > 1 else DEPLOYS)


if __name__ == "__main__":
    sys.exit(main())
