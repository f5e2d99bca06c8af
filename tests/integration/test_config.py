"""Config vars of an app that runs: what containers see, and where a secret never stands."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.supervision_support import (
    LIMIT,
    Site,
    command_lines,
    deployed,
    environ,
)
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

SECRET = "kx7-never-to-be-seen"
NASTY = ' it\'s\n"$HOME" `id` \\n #x\t\n'
WEB = "web: exec /usr/bin/python3 server.py\n"
SERVER = """\
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(
        open_dir / "site", port=free_port(), files={"Procfile": WEB, "server.py": SERVER}
    )
    yield found
    found.run("stop")


def set_from_stdin(site: Site, name: str, text: str) -> str:
    done = subprocess.run(
        (sys.executable, "-m", "runner.main", "config", "set", f"{name}=-"),
        env=site.env,
        input=f"{text}\n".encode(),
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_a_change_reaches_what_runs_byte_for_byte_and_a_secret_nobody_else(site: Site) -> None:
    site.start()
    before = site.pids()["web.1"]
    said = set_from_stdin(site, "SECRET_KEY", SECRET)
    assert "Restarting polls" in said
    set_from_stdin(site, "NASTY", NASTY)
    until(lambda: "NASTY" in json.loads(site.get()))
    seen = json.loads(site.get())
    assert (seen["SECRET_KEY"], seen["NASTY"]) == (SECRET, NASTY)
    assert site.pids()["web.1"] != before
    assert SECRET not in said
    assert [pid for pid, line in command_lines().items() if SECRET in line] == []
    assert SECRET not in site.log()
    assert "slug-run[api]: Set SECRET_KEY config vars by me" in site.log()
    assert open_files_with(SECRET, site.home) == []
    site.must("config", "unset", "SECRET_KEY", "NASTY")
    until(lambda: "SECRET_KEY" not in json.loads(site.get()))


def test_what_changes_how_programs_start_changes_none_of_ours(site: Site) -> None:
    """Whoever may set config vars is not to become root by it, or who runs the supervisor."""
    mark = "/app/b3f1c2"
    names = ("BASH_ENV", "ENV", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONPATH",
             "PYTHONSTARTUP", "PERL5LIB", "CADDY_ADMIN")  # fmt: skip
    site.must("config", "set", *(f"{name}={mark}" for name in names))
    site.start()
    seen = json.loads(site.get())
    assert {name: seen.get(name) for name in names} == dict.fromkeys(names, mark)
    site.must("run", "--app", "polls", "--detach", "--", "sleep 1000")
    ours = Path("/proc/self/ns/pid").readlink()
    assert {*site.processes()} == {"keeper", "supervisor", "caddy"}
    reached = [pid for pid in command_lines() if mark in environ(pid)]
    assert reached, "the containers' processes"
    assert [pid for pid in reached if namespace_of(pid) == ours] == []
    site.must("stop", "run")


def namespace_of(pid: int) -> Path | None:
    """Of processes; None once it has ended."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return None


def open_files_with(secret: str, home: Path) -> list[Path]:
    """Files that others may read, were they let through the directories above."""
    found = []
    for path in home.rglob("*"):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o004:
            found += [path] if secret.encode() in path.read_bytes() else []
    return found


def test_destroying_an_app_ends_what_runs_of_it(site: Site) -> None:
    site.start()
    runs = site.runs()
    site.must("apps", "destroy", "polls", "--confirm", "polls")
    assert site.left_behind(runs) == []
    assert list((site.home / "apps").iterdir()) == []
