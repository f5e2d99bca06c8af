"""Who is spoken to, and how: names of images, TLS, proxies, other servers, nobody."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from buildpack.support.errors import ExitCode
from slugc.transfer.http_door import Answer, Body, open_http, proxy_for
from slugc.transfer.image_stores import ImageUnusableError
from slugc.transfer.reference import Reference, parse_reference
from slugc.transfer.registry import is_loopback, pull, push
from slugc.transfer.registry_errors import (
    ImageReferenceError,
    RegistryDeniedError,
    RegistryError,
    RegistryTlsError,
    RegistryUnreachableError,
)
from tests.unit.slugc.transfer.fake_registry import PLACE, answer, encoded, image, logged_in
from tests.waiting import PATIENCE


def test_a_password_goes_to_no_other_server_and_not_without_tls(tmp_path: Path) -> None:
    env = logged_in(tmp_path, "me:s3cret")
    seen: list[tuple[str, str | None]] = []

    def send(
        method: str, url: str, headers: Mapping[str, str], body: Body | None, streamed: bool
    ) -> Answer:
        seen.append((urlsplit(url).netloc, headers.get("Authorization")))
        if urlsplit(url).netloc == "cdn.example.com":
            return answer(200, json.dumps({"schemaVersion": 2, "manifests": []}).encode())
        if "Authorization" not in headers:
            return answer(401, headers={"www-authenticate": 'Basic realm="x"'})
        return answer(307, headers={"location": "https://cdn.example.com/manifest"})

    with pytest.raises(ImageUnusableError):
        pull(PLACE, env=env, plain_http=False, arch="amd64", send=send)
    assert seen == [
        ("registry.example.com", None),
        ("registry.example.com", "Basic " + encoded("me:s3cret")),
        ("cdn.example.com", None),
    ]


def test_a_server_that_layers_are_sent_to_gets_no_login_by_asking(tmp_path: Path) -> None:
    env = logged_in(tmp_path, "me:s3cret")
    seen: list[tuple[str, str | None]] = []

    def send(
        method: str, url: str, headers: Mapping[str, str], body: Body | None, streamed: bool
    ) -> Answer:
        seen.append((urlsplit(url).netloc, headers.get("Authorization")))
        if urlsplit(url).netloc == "store.example.net":
            asks = {"www-authenticate": 'Bearer realm="https://store.example.net/token"'}
            return answer(401, headers=asks)
        if method == "POST":
            return answer(202, headers={"location": "https://store.example.net/upload"})
        return answer(404)

    with pytest.raises(RegistryDeniedError):
        push(image(), PLACE, env=env, plain_http=False, notify=print, send=send)
    assert seen[-1] == ("store.example.net", None)
    assert {login for _, login in seen} == {None}


@pytest.mark.parametrize(
    ("status", "headers", "found"),
    [
        (
            401,
            {"www-authenticate": 'Bearer realm="http://evil.example.com/token"'},
            "It wants a login to be sent without TLS.",
        ),
        (
            307,
            {"location": "http://evil.example.com/x"},
            "It sends us to evil.example.com without TLS.",
        ),
    ],
)
def test_nobody_leads_us_away_from_tls(status: int, headers: Mapping[str, str], found: str) -> None:
    def send(*_request: object) -> Answer:
        return answer(status, headers=headers)

    with pytest.raises(RegistryTlsError) as caught:
        pull(PLACE, env={}, plain_http=False, arch="amd64", send=send)
    assert caught.value.text() == (
        "The registry registry.example.com offers no connection that can be trusted\n\n"
        f"{found}\n\n"
        "Put its certificate authority into a file and name that in SSL_CERT_FILE.\n"
        "A registry without TLS needs --plain-http."
    )


@pytest.mark.parametrize(
    ("place", "plain", "failure", "scheme"),
    [
        ("registry.example.com/a", False, None, "https"),
        ("registry.example.com/a", True, None, "http"),
        ("localhost:5000/a", False, ssl.SSLError("wrong version number"), "http"),
        ("localhost:5000/a", False, ssl.SSLCertVerificationError("self-signed"), "https"),
        ("localhost:5000/a", False, None, "https"),
    ],
)
def test_plain_http_is_for_this_machine_or_on_demand(
    place: str, plain: bool, failure: ssl.SSLError | None, scheme: str
) -> None:
    """A certificate that is not trusted is no reason to do without, not even here."""
    schemes: list[str] = []

    def send(
        method: str, url: str, headers: Mapping[str, str], body: Body | None, streamed: bool
    ) -> Answer:
        schemes.append(urlsplit(url).scheme)
        if schemes[-1] == "https" and failure is not None:
            raise RegistryTlsError("localhost:5000", "no") from failure
        return answer(404)

    with pytest.raises(RegistryError):
        pull(place, env={}, plain_http=plain, arch="amd64", send=send)
    assert schemes[-1] == scheme


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("h.example/a/b:c", Reference(host="h.example", name="a/b", tag="c")),
        ("localhost/a", Reference(host="localhost", name="a", tag="latest")),
        ("127.0.0.1:5000/a_b/c-d", Reference(host="127.0.0.1:5000", name="a_b/c-d", tag="latest")),
        ("polls:v1", Reference(host="docker.io", name="library/polls", tag="v1")),
        ("me/polls", Reference(host="docker.io", name="me/polls", tag="latest")),
    ],
)
def test_references_are_read_as_everywhere(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("h.example/Team/App", "'Team/App' is no name of a repository. Did you mean team/app?"),
        ("h.example/a..b", "'a..b' is no name of a repository."),
        ("h.example/a:-x", "'-x' is no tag."),
        ("h.example/a@sha256:12", "'sha256:12' is no digest."),
        ("me@h.example/a", "'me@h.example' is no name of a host."),
    ],
)
def test_a_name_no_registry_takes_is_told_before_it_is_asked(text: str, found: str) -> None:
    with pytest.raises(ImageReferenceError) as caught:
        parse_reference(text)
    assert caught.value.text() == (
        f"'{text}' is no image in a registry\n\n{found}\n\n"
        "Write it like registry.example.com/team/app:v1. Names are lower-case letters and "
        "digits, parted by '.', '_', '-' and '/'."
    )


def test_loopback_is_this_machine_only() -> None:
    assert all(map(is_loopback, ("localhost:5000", "127.0.0.1", "127.8.8.8:80", "[::1]:5000")))
    assert not any(map(is_loopback, ("localhost.example.com", "10.0.0.1:5000", "127.example.com")))


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://registry.example.com/v2/", "http://proxy:3128"),
        ("https://in.house.example/v2/", ""),
        ("https://127.0.0.1:5000/v2/", ""),
        ("http://registry.example.com/v2/", ""),
    ],
)
def test_proxies_are_used_as_the_environment_says(url: str, proxy: str) -> None:
    env = {"https_proxy": "http://proxy:3128", "NO_PROXY": "127.0.0.1, .house.example"}
    assert proxy_for(url, env) == proxy


def test_nobody_there_is_told() -> None:
    """Through the real door: a port of this machine at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens, so that it is nobody else's
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RegistryUnreachableError) as caught:
            pull(f"{host}/a", env={}, plain_http=True, arch="amd64", send=open_http({}))
    assert caught.value.exit_code == ExitCode.TRY_AGAIN
    assert caught.value.text() == (
        f"The registry {host} cannot be reached\n\nConnection refused\n\n"
        "Check its name, the network and a proxy (https_proxy); then try again."
    )


def test_something_else_there_is_told() -> None:
    """A server that speaks no HTTP; asked for TLS it is told as one without."""
    with listening(b"SSH-2.0-OpenSSH_9.2\r\n") as host:
        with pytest.raises(RegistryUnreachableError):
            pull(f"{host}/a", env={}, plain_http=True, arch="amd64", send=open_http({}))
        with pytest.raises(RegistryTlsError) as caught:
            open_http({})("GET", f"https://{host}/v2/", {}, None, False)
    assert caught.value.host == host


@contextlib.contextmanager
def listening(greeting: bytes) -> Iterator[str]:
    """A server that greets everybody, and ends with the test."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(greeting)
                    connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
