"""git over HTTPS with a password, from a real server: nobody else sees the password."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from slugc.sources.git.fetch import fetch_git
from slugc.sources.git.program import FetchError
from slugc.sources.git.urls import parse_git_url
from tests.git_server import (
    ENV,
    commit_files,
    git,
    host_of,
    make_certificate,
    make_repository,
    serving,
)
from tests.integration.build_support import Builder, make_buildpack

pytestmark = pytest.mark.integration

TOKEN = "ghp_canary0123456789"
# Stands on a command line, ours; another one, because tests run side by side.
TYPED = "ghp_typed0123456789"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A repository whose submodule lies beside it."""
    make_repository(tmp_path / "served" / "lib", lib_txt="lib\n")
    app = tmp_path / "served" / "app"
    make_repository(app, app_txt="hello\n")
    git(app, "submodule", "add", "-q", "../lib", "lib")
    commit_files(app)
    return app


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


class Onlooker:
    """Anybody on this machine: reads the command line of every process, all the time."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._stop.wait(0.002):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue

    def __enter__(self) -> Onlooker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def onlooker() -> Iterator[Onlooker]:
    with Onlooker() as onlooker:
        yield onlooker


@pytest.mark.parametrize("login", [f"x-access-token:{TOKEN}", TOKEN])
def test_a_token_opens_the_repository_and_is_on_no_command_line(
    app: Path, certificate: Path, tmp_path: Path, onlooker: Onlooker, login: str
) -> None:
    user, _, password = login.partition(":")
    env = {**ENV, "GIT_SSL_CAINFO": str(certificate.parent / "ca.pem")}
    with serving(app.parent, user=user, password=password, delay=0.2, tls=certificate) as web:
        url = parse_git_url(f"https://{login}@{host_of(web)}/app#main")
        commit = fetch_git(url, tmp_path / "out", env=env)

    assert commit == git(app, "rev-parse", "HEAD")
    assert (tmp_path / "out/lib/lib_txt").read_text() == "lib\n"
    lines = [line for line in onlooker.seen if host_of(web).encode() in line]
    assert any(b"remote-https" in line for line in lines)  # it did look in time
    assert not any(TOKEN.encode() in line for line in onlooker.seen)


def test_a_certificate_nobody_vouches_for_is_refused(
    app: Path, certificate: Path, tmp_path: Path
) -> None:
    with serving(app.parent, tls=certificate) as web, pytest.raises(FetchError) as caught:
        fetch_git(parse_git_url(f"https://{host_of(web)}/app"), tmp_path / "out", env=ENV)
    assert "certificate" in caught.value.details


def test_a_build_from_https_pins_its_commit_and_keeps_the_token_to_itself(
    app: Path, certificate: Path, open_dir: Path, tmp_path: Path
) -> None:
    builder = Builder(home=open_dir / "data")
    pack = make_buildpack(tmp_path / "pack", compile='echo "$SOURCE_VERSION" > "$1/version"; env')
    env = {"GIT_SSL_CAINFO": str(certificate.parent / "ca.pem")}
    with serving(app.parent, user="t", password=TYPED, tls=certificate) as web:
        outcome = builder.build(
            f"https://t:{TYPED}@{host_of(web)}/app#main", "-b", pack, "--no-cache", env=env
        )

    commit = git(app, "rev-parse", "HEAD")
    assert outcome.metadata.commit == commit
    assert outcome.read("version") == f"{commit}\n"
    assert outcome.read("lib/lib_txt") == "lib\n"
    assert TYPED not in outcome.stdout + outcome.stderr
    left = [path for path in open_dir.rglob("*") if path.is_file()]
    assert left
    assert not [path for path in left if TYPED.encode() in path.read_bytes()]
