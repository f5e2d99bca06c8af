"""A git server on this machine: git's own server program behind HTTP or HTTPS and a password."""

from __future__ import annotations

import base64
import contextlib
import http.server
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
WHO = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")


def git(directory: Path, *arguments: str) -> str:
    """What ``git ARGUMENTS`` prints there, with no settings but our own."""
    done = subprocess.run(
        ["git", *WHO, *arguments],
        cwd=directory,
        env={**ENV, "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )
    return done.stdout.strip()


def make_repository(directory: Path, **files: str) -> str:
    """A repository with one commit of these files (``a__b`` is ``a/b``); the commit."""
    directory.mkdir(parents=True)
    git(directory, "init", "-q", "-b", "main")
    return commit_files(directory, **(files or {"Procfile": "web: x\n"}))


def commit_files(directory: Path, **files: str) -> str:
    """One more commit; its id."""
    for name, text in files.items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "files")
    return git(directory, "rev-parse", "HEAD")


class _Server(http.server.ThreadingHTTPServer):
    root: Path
    login: str
    delay: float
    asked: list[str]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.login and self.headers["Authorization"] != self.server.login:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        time.sleep(self.server.delay)
        given = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        ran = subprocess.run(
            ["git", "http-backend"],
            input=given,
            env=self._variables(),
            capture_output=True,
            check=False,  # it says so to the client where it has not what was asked for
        )
        head, _, body = ran.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, text in fields.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name http.server looks for

    def _variables(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        return {
            **ENV,
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }

    def log_message(self, *args: object) -> None:
        return


@contextlib.contextmanager
def serving(
    root: Path, *, user: str = "", password: str = "", delay: float = 0, tls: Path | None = None
) -> Iterator[_Server]:
    """The repositories below ``root``; ``tls`` is a file of a key and its certificate."""
    web = _Server(("127.0.0.1", 0), _Handler)
    web.root, web.delay, web.asked = root, delay, []
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    web.login = f"Basic {token}" if user else ""
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        web.socket = context.wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


def host_of(web: http.server.HTTPServer) -> str:
    """``127.0.0.1:PORT``."""
    return f"127.0.0.1:{web.server_address[1]}"


def make_certificate(directory: Path) -> Path:
    """A key and a certificate of its own authority, for 127.0.0.1, in one file."""
    key, certificate, both = (directory / name for name in ("key.pem", "ca.pem", "both.pem"))
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    more = ["-subj", "/CN=slugkit", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    argv = ["openssl", *asked.split(), *more, *files]
    subprocess.run(argv, capture_output=True, check=True, timeout=30)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
