"""The buildpacks of fixtures/, apps for them, and ``slugc`` with any words."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.integration.build_support import Builder
from tests.integration.support import ROOT, SLUGC

PACKS = ROOT / "fixtures" / "buildpacks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How one ``slugc`` ended."""

    code: int
    stdout: str
    stderr: str


def slugc(builder: Builder, *words: str | Path, env: Mapping[str, str] | None = None) -> Said:
    """``slugc WORDS`` with the builder's data directory, called from beside it."""
    done = subprocess.run(
        (*SLUGC, *map(str, words)),
        cwd=builder.home.parent,
        env={**builder.env, **(env or {})},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    return Said(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def write_app(directory: Path, files: Mapping[str, str]) -> Path:
    """An app of the given files."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        return


@contextlib.contextmanager
def serving_files(root: Path, *, tls: Path | None = None) -> Iterator[str]:
    """The files below ``root`` over HTTP, or HTTPS; the address."""
    handler = functools.partial(_Files, directory=os.fspath(root))
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        web.socket = context.wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{web.server_address[1]}"
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
