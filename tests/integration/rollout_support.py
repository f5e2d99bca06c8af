"""Apps that are deployed again and again: slugs of a few lines, as another release of one app."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.state.rollouts import Rollout, RolloutState
from runner.state.state import opened_state
from tests.integration.supervision_support import LIMIT, ROOT, Site, deployed
from tests.integration.support import free_port

# Ends at once at SIGTERM, whatever it is doing; keeps connections.
SERVER = """\
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep({"/slow": 1, "/endless": 60}.get(self.path, 0))
        body = b"RELEASE"
        self.send_response(500 if self.path == "/broken" else 200)
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
WEB = "web: exec /usr/bin/python3 server.py\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """An app, and slugs to deploy to it."""

    root: Path
    site: Site

    def slug(
        self, name: str, *, procfile: str = WEB, files: Mapping[str, str] | None = None
    ) -> str:
        """A slug whose server answers with ``name``."""
        app, slug = self.root / name, self.root / f"{name}.slug"
        app.mkdir()
        found = {"Procfile": procfile, "server.py": SERVER.replace("RELEASE", name)}
        for each, text in {**found, **(files or {})}.items():
            (app / each).write_text(text)
        env = {
            **os.environ,
            "SLUGKIT_HOME": str(self.root / "packing"),
            "PYTHONPATH": str(ROOT),
        }
        buildpack = str(self.root / "buildpack")
        argv = ("slugc.main", "build", str(app), "-b", buildpack, "-o", str(slug), "-q")
        subprocess.run((sys.executable, "-m", *argv), env=env, check=True, timeout=LIMIT, stdout=-3)
        return str(slug)

    def statuses(self) -> dict[str, str]:
        with opened_state(self.site.home) as state:
            return {x.label: str(x.status) for x in reversed(state.releases(self.site.app))}

    def rollout(self, version: int) -> Rollout | None:
        with opened_state(self.site.home) as state:
            return RolloutState(state, self.site.app).of(version)

    def popen(self, *words: str) -> subprocess.Popen[str]:
        """The command, in a process group of its own."""
        return subprocess.Popen(
            (sys.executable, "-m", "runner.main", *words),
            env=self.site.env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def released(root: Path, *, procfile: str = WEB) -> Releases:
    """An app whose first release, one, was deployed and not started."""
    files = {"Procfile": procfile, "server.py": SERVER.replace("RELEASE", "one")}
    site = deployed(root, port=free_port(), files=files)
    return Releases(root=root, site=site)
