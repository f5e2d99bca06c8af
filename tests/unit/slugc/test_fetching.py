"""git fetches with the password of a URL, which stands on no command line."""

from __future__ import annotations

import base64
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.command import Command, capture
from slugc import fetching
from slugc.fetching import FetchError, fetch_git, parse_git_url

PASSWORD = "canary'$(:)\"%s"  # nothing a shell may read
LOGIN = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


class Handler(http.server.BaseHTTPRequestHandler):
    """git's own server program behind a password."""

    root: Path

    def do_GET(self) -> None:
        if self.headers["Authorization"] != LOGIN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        env = {
            **ENV,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        given = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        ran = subprocess.run(
            ["git", "http-backend"], input=given, env=env, capture_output=True, check=True
        )
        head, _, body = ran.stdout.partition(b"\r\n\r\n")
        self.send_response(200)
        for line in head.decode().splitlines():
            self.send_header(*line.split(": ", 1))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name http.server looks for

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The host and port that serve a repository ``r`` with one file."""
    Handler.root = tmp_path
    repository = tmp_path / "r"
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (
        ("init", "-q", "r"),
        ("-C", "r", "add", "."),
        ("-C", "r", *who, "commit", "-qmx"),
    ):
        if repository.is_dir():
            (repository / "Procfile").write_text("web: x\n")
        subprocess.run(["git", *words], cwd=tmp_path, env=ENV, check=True)
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{web.server_address[1]}"
    web.shutdown()
    web.server_close()
    thread.join()


def test_a_password_in_the_url_is_used_and_on_no_command_line(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Command] = []

    def record(command: Command) -> str:
        started.append(command)
        return capture(command)

    monkeypatch.setattr(fetching, "capture", record)
    quoted = "canary%27%24%28%3A%29%22%25s"
    monkeypatch.setitem(ENV, "GIT_TRACE", str(tmp_path / "trace"))  # git's own children
    commit = fetch_git(parse_git_url(f"http://me:{quoted}@{server}/r"), tmp_path / "t", env=ENV)
    assert len(commit) == 40
    assert (tmp_path / "t/Procfile").read_text() == "web: x\n"
    said = "\n".join(word for command in started for word in command.argv)
    assert "canary" not in said + (tmp_path / "trace").read_text()
    assert "canary" not in (tmp_path / "t/.git/config").read_text()


def test_a_wrong_password_ends_the_fetch_without_showing_it(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_git(parse_git_url(f"http://me:wrong@{server}/r"), tmp_path / "t", env=ENV)
    assert "wrong" not in caught.value.text()
    assert "Authentication failed" in caught.value.text()
