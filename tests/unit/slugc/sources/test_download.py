"""Tarballs from the web: whole, of bounded size, in bounded time, and their queries kept quiet."""

from __future__ import annotations

import http.client
import http.server
import io
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from buildpack.support.download import _Redirects
from buildpack.support.urls import DownloadError
from slugc.archive.errors import ArchiveLimitError
from slugc.sources.download import downloaded
from slugc.sources.fetching import fetch_archive
from slugc.sources.git.program import FetchError, FetchTimeoutError
from slugc.sources.source import Source, SourceKind, parse_source, stage_source
from slugc.sources.trusted import NOBODY
from tests.faults.tar_blocks import END, file, gz
from tests.waiting import PATIENCE

TARBALL = gz(file(b"app-1.0/Procfile", b"web: x\n") + END)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.send_response(200 if path != "/gone.tgz" else 404)
        body = TARBALL if path == "/app.tgz" else b"x" * 5000
        # Claims more than comes: a connection that is cut.
        self.send_header("Content-Length", str(len(body) + (path == "/cut.tgz")))
        self.end_headers()
        for at in range(0, len(body), 100):
            self.wfile.write(body[at : at + 100])
            if path == "/slow.tgz":
                time.sleep(0.05)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{web.server_address[1]}"
    web.shutdown()
    web.server_close()
    thread.join()


def test_a_source_may_be_the_url_of_a_tarball(server: str, tmp_path: Path) -> None:
    source = parse_source(f"{server}/app.tgz?signature=canary", cwd=tmp_path, home=None)
    assert source == Source(kind=SourceKind.DOWNLOAD, location=f"{server}/app.tgz?signature=canary")
    assert source.app_name == "app"
    build = tmp_path / "build"
    build.mkdir()
    stage_source(source, build, scratch=tmp_path / "scratch", env={}, ours=frozenset())
    assert (build / "Procfile").read_text() == "web: x\n"


def test_one_that_is_not_there_is_told_without_its_query(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_archive(f"{server}/gone.tgz?signature=canary", tmp_path / "out")
    assert caught.value.exit_code == 75
    assert caught.value.brief == f"{server}/gone.tgz?*** could not be fetched"
    assert caught.value.details == "HTTP status 404 (1 attempt)."


def test_one_that_is_cut_short_is_no_damaged_archive(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_archive(f"{server}/cut.tgz", tmp_path / "out")
    assert caught.value.details == "the download was cut short (3 attempts)."


def test_one_that_is_too_large_is_not_fetched_to_its_end(server: str, tmp_path: Path) -> None:
    with (
        pytest.raises(ArchiveLimitError) as caught,
        downloaded(
            f"{server}/big.tgz",
            tmp_path / "file",
            timeout=5,
            largest=1000,
            peers=NOBODY.naming(server).peers,
        ),
    ):
        pass
    assert (caught.value.what, caught.value.limit) == ("packed bytes", 1000)
    assert not (tmp_path / "file").exists()


def test_one_that_drips_ends_in_time(server: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        fetch_archive(f"{server}/slow.tgz", tmp_path / "out", timeout=0.3)
    assert time.monotonic() - started < PATIENCE


def test_what_was_asked_for_over_tls_does_not_come_without() -> None:
    asked = urllib.request.Request("https://example.com/app.tgz")
    follow = partial(
        _Redirects().redirect_request, asked, io.BytesIO(), 302, "Found", http.client.HTTPMessage()
    )
    assert follow("https://other.example/app.tgz") is not None
    with pytest.raises(DownloadError) as caught:
        follow("http://other.example/app.tgz")
    assert caught.value.text().startswith(
        "Could not download https://example.com/app.tgz\n\n"
        "it leads to an address without TLS (1 attempt)."
    )


def test_who_watches_is_told_how_many_bytes_have_come(server: str, tmp_path: Path) -> None:
    told: list[int] = []

    fetch_archive(f"{server}/app.tgz", tmp_path / "out", watch=told.append)

    assert told[0] == 0
    assert told == sorted(told)
    assert told[-1] == len(TARBALL)
