"""A package index of our own on loopback, with wheels of a few bytes: both can be wrong at will."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def record_line(name: str, content: bytes) -> str:
    """A line of RECORD, as the installer specification wants it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}"


def make_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    metadata: Sequence[str] = (),
    files: Mapping[str, bytes | str] | None = None,
    unrecorded: Mapping[str, bytes | str] | None = None,
    record: str = "",
) -> Path:
    """A pure wheel. ``unrecorded`` members are in the archive and not in RECORD."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    head = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {x}" for x in requires)]
    members: dict[str, bytes] = {
        f"{module}.py": b"VERSION = 1\n",
        **_encoded(files or {}),
        f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", *head, *metadata, ""]).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    lines = [record_line(name, content) for name, content in members.items()]
    members[f"{info}/RECORD"] = (record or "\n".join([*lines, f"{info}/RECORD,,", ""])).encode()
    path = directory / f"{module}-{version}-py3-none-any.whl"
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in {**members, **_encoded(unrecorded or {})}.items():
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), content)
    return path


def _encoded(files: Mapping[str, bytes | str]) -> dict[str, bytes]:
    return {k: v.encode() if isinstance(v, str) else v for k, v in files.items()}


NO_REQUIREMENTS = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def make_sdist(directory: Path, name: str, version: str = "1.0", *, build: str) -> Path:
    """A source distribution that needs nothing to be built: its backend runs ``build``.

    The body of a function; it returns the name of a wheel it has written, or it fails.
    """
    module = name.replace("-", "_")
    root = f"{module}-{version}"
    body = "".join(f"    {line}\n" for line in build.splitlines())
    files = {
        "pyproject.toml": NO_REQUIREMENTS,
        "backend.py": "import os, sys\n\n"
        "def build_wheel(directory, config_settings=None, metadata_directory=None):\n" + body,
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{root}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(f"{root}/{member}", text)
    return path


COPY_WHEEL = """\
import shutil
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return shutil.copy("made.whl", directory + "/{name}") and "{name}"
build_editable = build_wheel
"""


def make_project(directory: Path, name: str) -> None:
    """A project that is built without any build tool: its backend hands out a ready wheel."""
    wheel = make_wheel(directory, name)
    wheel.rename(directory / "made.whl")
    (directory / "pyproject.toml").write_text(NO_REQUIREMENTS)
    (directory / "backend.py").write_text(COPY_WHEEL.format(name=wheel.name))


@dataclass(slots=True)
class Answer:
    """What the index says to one request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(slots=True)
class FakeIndex:
    """Serves a directory of wheels by the Simple API; ``rules`` answer first where they match."""

    directory: Path
    url: str = ""
    rules: dict[str, Answer | Callable[[str, str], Answer | None]] = field(default_factory=dict)
    yanked: dict[str, str] = field(default_factory=dict)
    hashes: bool = True
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, authorization: str) -> Answer:
        self.asked.append(path)
        for prefix, rule in self.rules.items():
            if path.startswith(prefix):
                found = rule if isinstance(rule, Answer) else rule(path, authorization)
                if found is not None:
                    return found
        if path.startswith("/files/"):
            file = self.directory / path.removeprefix("/files/")
            return Answer(body=file.read_bytes()) if file.is_file() else Answer(status=404)
        if path.startswith("/simple/"):
            return self._page(path.split("/")[2])
        return Answer(status=404)

    def _page(self, project: str) -> Answer:
        module = project.replace("-", "_")
        found = sorted(self.directory.glob(f"{module}-*"))
        if not found:
            return Answer(status=404)
        links = "".join(self._link(path) for path in found)
        body = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        return Answer(body=body, headers={"Content-Type": "text/html"})

    def _link(self, path: Path) -> str:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        fragment = f"#sha256={digest}" if self.hashes else ""
        yanked = f' data-yanked="{self.yanked[path.name]}"' if path.name in self.yanked else ""
        return f'<a href="/files/{path.name}{fragment}"{yanked}>{path.name}</a>'


@contextmanager
def serving(directory: Path) -> Iterator[FakeIndex]:
    """The index at ``url`` (without /simple) until the block ends."""
    index = FakeIndex(directory=directory)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = index.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(found.status)
            headers = {"Content-Type": "application/octet-stream", **found.headers}
            length = len(found.body) if found.length is None else found.length
            for name, value in {**headers, "Content-Length": str(length)}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # uv hangs up on an answer that comes too late
                if self.command == "GET":
                    self.wfile.write(found.body)
            self.close_connection = length != len(found.body)  # cut short: nothing may follow

        do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            """Nothing: what was asked is in ``asked``."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
