"""What a source names is fetched as a stranger would: no keys, no passwords, nothing of here."""

from __future__ import annotations

import base64
import http.server
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support import peers
from buildpack.support.peers import AddressRefusedError
from slugc.sources.git import access
from slugc.sources.git.access import GitTooOldError
from slugc.sources.git.fetch import fetch_git
from slugc.sources.git.program import FetchError
from slugc.sources.git.urls import parse_git_url
from slugc.sources.trusted import (
    NOBODY,
    NotTrustedError,
    Trusted,
    TrustError,
    host_and_port,
    parse_trusted,
)
from tests.git_server import ENV, git, host_of, make_repository, serving


@pytest.fixture
def served(tmp_path: Path) -> Path:
    make_repository(tmp_path / "served" / "app", app="app\n")
    make_repository(tmp_path / "served" / "lib", lib="lib\n")
    return tmp_path / "served"


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's loopback counts as elsewhere, as if the test's servers were."""
    monkeypatch.setattr(peers, "why_here", lambda _: "")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below ``.example`` are this machine's, to us; git would find none of them."""
    real = socket.getaddrinfo

    def answer(host: str, *rest: object, **more: object) -> object:
        local = "127.0.0.1" if host.endswith(".example") else host
        return real(local, *rest, **more)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def fetch(url: str, target: Path, trusted: Trusted | None = NOBODY, **env: str) -> set[str]:
    fetch_git(parse_git_url(url), target, env={**ENV, **env}, trusted=trusted, timeout=20)
    return {path.name for path in target.rglob("*") if path.is_file()}


def port(web: http.server.HTTPServer) -> int:
    return int(web.server_address[1])


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("scheme", ["http", "git"])
def test_a_name_that_leads_here_is_not_fetched_from(
    served: Path, tmp_path: Path, scheme: str
) -> None:
    with serving(served) as web, pytest.raises(AddressRefusedError) as caught:
        fetch(f"{scheme}://evil.example:{port(web)}/app", tmp_path / "out")
    assert caught.value.text() == (
        f"{scheme}://evil.example:{port(web)}/app leads to the machine that builds\n\n"
        "evil.example is 127.0.0.1, this machine's loopback.\n\n"
        "A source, and a server that sends us on, may name places elsewhere alone. If you\n"
        "mean this one, say so: slugc build --trust evil.example"
    )
    assert not web.asked


@pytest.mark.usefixtures("names", "everywhere")
@pytest.mark.parametrize("host", ["lib.example", "lib.example.", "LIB.example"])
def test_git_connects_to_the_address_that_was_judged(
    served: Path, tmp_path: Path, host: str
) -> None:
    """It asks no name server itself: of its own it would not find this one."""
    with serving(served) as web:
        assert fetch(f"http://{host}:{port(web)}/lib", tmp_path / "out") == {"lib"}


@pytest.mark.usefixtures("names", "everywhere")
def test_a_git_that_cannot_be_told_an_address_is_not_let_go(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "capture", lambda _: "git version 2.34.1\n")
    with serving(served) as web, pytest.raises(GitTooOldError) as caught:
        fetch(f"http://lib.example:{port(web)}/lib", tmp_path / "out")
    assert caught.value.exit_code == 69
    assert caught.value.text() == (
        "This git is too old to fetch what a source names\n\n"
        "git version 2.34.1; 2.37 was the first that can be told which address to connect to.\n\n"
        "Install a newer git, or say that you trust the server:\n\n"
        f"    slugc build --trust lib.example:{port(web)}"
    )


@pytest.fixture
def sending(served: Path) -> Iterator[tuple[str, http.server.HTTPServer]]:
    """A URL that sends git on to the second server, to another name of the repository."""

    class Sends(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(301)
            self.send_header("Location", f"http://{host_of(web)}{self.path}".replace("old", "app"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    import threading

    first = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sends)
    thread = threading.Thread(target=first.serve_forever, kwargs={"poll_interval": 0.01})
    with serving(served) as web:
        thread.start()
        yield f"http://{host_of(first)}/old", web
        first.shutdown()
        first.server_close()
        thread.join()


def test_a_server_sends_git_here_no_more_than_a_source_does(
    sending: tuple[str, http.server.HTTPServer], tmp_path: Path
) -> None:
    url, web = sending
    with pytest.raises(AddressRefusedError):
        fetch(url, tmp_path / "out", NOBODY.naming(url))

    both = NOBODY.naming(url).naming(f"http://{host_of(web)}")
    assert fetch(url, tmp_path / "two", both) == {"app"}


NETRC = "machine 127.0.0.1 login me password canary\n"
HELPER = '[credential]\n\thelper = "!echo username=me; echo password=canary #"\n'


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize(("file", "text"), [(".netrc", NETRC), (".gitconfig", HELPER)])
def test_the_users_passwords_are_for_what_they_have_named(
    served: Path, tmp_path: Path, file: str, text: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / file).write_text(text)
    with serving(served, user="me", password="canary") as web:
        url = f"http://{host_of(web)}/app"
        assert fetch(url, tmp_path / "out", None, HOME=str(home)) == {"app"}
        with pytest.raises(FetchError) as caught:
            fetch(url, tmp_path / "two", NOBODY, HOME=str(home))
    assert "could not read Username" in caught.value.details
    assert "canary" not in caught.value.text()


@pytest.mark.usefixtures("everywhere")
def test_settings_and_variables_of_the_user_are_not_a_strangers(
    served: Path, tmp_path: Path
) -> None:
    token = base64.b64encode(b"me:canary").decode()
    given = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
    }
    with serving(served, user="me", password="canary") as web:
        url = f"http://{host_of(web)}/app"
        assert fetch(url, tmp_path / "out", None, **given) == {"app"}
        with pytest.raises(FetchError):
            fetch(url, tmp_path / "two", NOBODY, **given)


@pytest.mark.usefixtures("everywhere")
def test_a_stranger_takes_the_users_way_out(served: Path, tmp_path: Path) -> None:
    """Their proxy, also where it is a setting of git: it may be the only way."""
    home = tmp_path / "home"
    home.mkdir()
    with serving(served) as web:
        (home / ".gitconfig").write_text(f"[http]\n\tproxy = http://{host_of(web)}\n")
        with pytest.raises(FetchError):  # the test's server is no proxy, but it is asked
            fetch("http://far.invalid/app", tmp_path / "out", NOBODY, HOME=str(home))
    assert web.asked[0].startswith("http://far.invalid/app/info/refs")


@pytest.mark.usefixtures("everywhere")
def test_passwords_go_over_http_only_where_the_user_wrote_so(served: Path, tmp_path: Path) -> None:
    """Whoever else is on the way could read them; a trusted host alone says nothing of http."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(NETRC)
    with serving(served, user="me", password="canary") as web:
        url = f"http://{host_of(web)}/app"
        for word in ("127.0.0.1", host_of(web), f"https://{host_of(web)}"):
            trusted = parse_trusted([word], env={}, cwd=tmp_path)
            with pytest.raises(FetchError):
                fetch(url, tmp_path / "out", trusted, HOME=str(home))
        trusted = parse_trusted([f"http://{host_of(web)}"], env={}, cwd=tmp_path)
        assert fetch(url, tmp_path / "two", trusted, HOME=str(home)) == {"app"}


@pytest.mark.parametrize(
    ("named", "asked", "has_keys"),
    [
        ("https://a/x", "https://a/y", True),
        ("https://a/x", "git@a:y", True),  # how private submodules are mostly written
        ("git@a:x", "https://a/y", True),
        ("https://a/x", "http://a/y", False),
        ("https://a/x", "https://a:8443/y", False),
        ("https://a/x", "ssh://git@a:2222/y", False),
        ("https://a:8443/x", "https://a:8443/y", True),
        ("ssh://git@a:2222/x", "ssh://git@a:2222/y", True),
        ("http://a/x", "http://a/y", True),
        ("http://a/x", "http://a:81/y", False),
        ("http://a/x", "https://a/y", True),
        ("git://a/x", "http://a:9418/y", False),
        ("https://a/x", "https://b/y", False),
    ],
)
def test_keys_are_for_the_port_that_was_named_or_the_usual_one(
    named: str, asked: str, *, has_keys: bool
) -> None:
    assert NOBODY.naming(named).names(asked) is has_keys


def test_a_host_trusted_without_a_port_has_keys_at_every_port_but_not_over_http() -> None:
    found = parse_trusted(["a"], env={}, cwd=Path("/"))
    assert found.names("https://a:8443/y")
    assert found.names("ssh://a:2222/y")
    assert not found.names("http://a/y")
    assert found.names_port("http://a/y")  # as a stranger


def test_keys_are_for_the_server_the_user_has_named(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    ssh = f'f() {{ echo "$@" >> {marker}; false; }}; f'
    with pytest.raises(NotTrustedError) as caught:
        fetch("git@other.example:me/lib.git", tmp_path / "out", GIT_SSH_COMMAND=ssh)
    assert caught.value.text() == (
        "git@other.example:me/lib.git is not fetched for a source that names it\n\n"
        "Over ssh it would be read with your keys, which are for servers that you name.\n\n"
        "If you want it to be, say so: slugc build --trust other.example"
    )
    assert not marker.exists()

    named = NOBODY.naming("https://other.example/me/app")
    with pytest.raises(FetchError):
        fetch("git@other.example:me/lib.git", tmp_path / "two", named, GIT_SSH_COMMAND=ssh)
    assert "git@other.example" in marker.read_text()


def test_the_server_a_local_repository_was_cloned_from_is_the_users(
    served: Path, tmp_path: Path
) -> None:
    with serving(served) as web:
        git(tmp_path, "clone", "-q", f"http://{host_of(web)}/app", "clone")
        app = tmp_path / "clone"
        text = f'[submodule "lib"]\n\tpath = lib\n\turl = http://{host_of(web)}/lib\n'
        (app / ".gitmodules").write_text(text)
        commit = git(served / "lib", "rev-parse", "HEAD")
        git(app, "add", ".gitmodules")
        git(app, "update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
        git(app, "commit", "-q", "-m", "x")
        assert fetch(f"file://{app}", tmp_path / "out") == {".gitmodules", "app", "lib"}


def test_what_is_trusted_is_a_host_or_a_directory(tmp_path: Path) -> None:
    (tmp_path / "repos").mkdir()
    env = {"SLUGC_TRUST": "git.example.org, localhost:8000"}
    found = parse_trusted(["./repos", "https://two.example/x", "[::1]:80"], env=env, cwd=tmp_path)
    assert found.hosts == {
        ("git.example.org", None),
        ("localhost", 8000),
        ("two.example", 443),
        ("::1", 80),
    }
    assert found.holds(tmp_path / "repos" / "lib")
    assert not found.holds(tmp_path / "repos2")
    assert found.names("git@two.example:x")
    assert not found.names("git@three.example:x")


@pytest.mark.parametrize("word", ["./nothing", "", "-rf", "/nothing/there"])
def test_what_is_neither(tmp_path: Path, word: str) -> None:
    with pytest.raises(TrustError) as caught:
        parse_trusted([word], env={}, cwd=tmp_path)
    assert caught.value.exit_code == 64
    assert caught.value.brief == f"'{word}' is neither a host nor a directory that is there"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a/x", "a"),
        ("https://a:444/x", "a:444"),
        ("git@a:x", "a"),
        ("ssh://git@a:2222/x", "a:2222"),
        ("http://[::1]:80/", "[::1]"),
    ],
)
def test_a_place_is_shown_as_it_may_be_given(url: str, shown: str) -> None:
    assert host_and_port(url) == shown


def test_a_place_to_be_trusted_stands_whole_in_the_command_to_copy() -> None:
    place = "/srv" + "/a-long-name" * 12
    assert NotTrustedError("../lib", "found", place).text().endswith(f"build --trust {place}")
