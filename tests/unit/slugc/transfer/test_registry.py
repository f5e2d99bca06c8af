"""Registries: what goes over the wire, who may, and every refusal in words.

A registry of dictionaries stands in for a real one; tests/integration has Debian's.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.values import changed
from slugc.transfer import registry as under_test
from slugc.transfer.http_door import Answer, Body, open_http, proxy_for
from slugc.transfer.image import CONFIG_TYPE, Image, blob_of
from slugc.transfer.image_stores import ImageUnusableError
from slugc.transfer.reference import Reference, parse_reference
from slugc.transfer.registry import is_loopback, pull, push
from slugc.transfer.registry_errors import (
    ImageReferenceError,
    RegistryDeniedError,
    RegistryError,
    RegistryFailedError,
    RegistryNotFoundError,
    RegistryRefusedError,
    RegistryTlsError,
    RegistryUnreachableError,
)

PLACE = "registry.example.com/team/app:v1"
BASE = "https://registry.example.com"
CONFIG = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
).encode()


def image(*contents: bytes) -> Image:
    """An image whose only blob is a configuration; registries do not look into blobs."""
    del contents
    return Image(config=blob_of(CONFIG, CONFIG_TYPE), layers=(), annotations={})


@dataclass
class FakeRegistry:
    """Keeps blobs and manifests, and what it was asked."""

    login: str = ""
    bearer: bool = False
    refuse: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    elsewhere: dict[str, bytes] = field(default_factory=dict)
    knows_subjects: bool = False
    tokens: list[str] = field(default_factory=list)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, streamed: bool
    ) -> Answer:
        content = b"".join(body.read()) if body is not None else b""
        assert body is None or len(content) == body.size
        parts = urlsplit(url)
        self.asked.append(f"{method} {parts.path}")
        if parts.path == "/token":
            return self._token(parts.query, headers)
        if (denied := self._denied(headers)) is not None:
            return denied
        for key, (status, text) in self.refuse.items():
            if key == f"{method} {parts.path.split('/')[4]}":
                return answer(status, text)
        return self._answer(method, parts.path, parse_qs(parts.query), content)

    def _denied(self, headers: Mapping[str, str]) -> Answer | None:
        if not self.login:
            return None
        wanted = "Bearer t0ken" if self.bearer else "Basic " + encoded(self.login)
        if headers.get("Authorization") == wanted:
            return None
        challenge = (
            f'Bearer realm="{BASE}/token",service="reg"' if self.bearer else 'Basic realm="x"'
        )
        return answer(401, errors("UNAUTHORIZED", "log in"), {"www-authenticate": challenge})

    def _token(self, query: str, headers: Mapping[str, str]) -> Answer:
        self.tokens.append(query)
        if headers.get("Authorization") != "Basic " + encoded(self.login):
            return answer(401, errors("UNAUTHORIZED", "wrong password"))
        return answer(200, b'{"token": "t0ken"}')

    def _answer(  # noqa: PLR0911  # one line for each request there is
        self, method: str, path: str, query: Mapping[str, list[str]], content: bytes
    ) -> Answer:
        last = path.rpartition("/")[2]
        match method, path.split("/")[4]:
            case "HEAD", "blobs":
                return answer(200 if last in self.blobs else 404)
            case "POST", "blobs" if self._takes_over(query):
                return answer(201)
            case "POST", "blobs":
                self.uploads["u1"] = b""
                return answer(202, headers={"location": "/v2/team/app/blobs/uploads/u1?state=1"})
            case "PATCH", "blobs":
                self.uploads["u1"] += content
                return answer(202, headers={"location": f"{BASE}{path}?state=2"})
            case "PUT", "blobs":
                whole = self.uploads.pop("u1") + content
                (digest,) = query["digest"]
                assert digest == f"sha256:{hashlib.sha256(whole).hexdigest()}"
                self.blobs[digest] = whole
                return answer(201)
            case "PUT", "manifests":
                self.manifests[last] = content
                subject = json.loads(content).get("subject") if self.knows_subjects else None
                return answer(201, headers={"oci-subject": subject["digest"]} if subject else {})
            case "GET", "manifests" if last in self.manifests:
                return answer(200, self.manifests[last])
            case "GET", "blobs" if last in self.blobs:
                return answer(200, self.blobs[last])
        return answer(404, errors("MANIFEST_UNKNOWN", "manifest unknown"))

    def _takes_over(self, query: Mapping[str, list[str]]) -> bool:
        (digest,) = query.get("mount", [""])
        if found := self.elsewhere.get(f"{query.get('from', [''])[0]} {digest}"):
            self.blobs[digest] = found
        return bool(found)


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    def stream() -> Iterator[bytes]:
        yield body

    return Answer(status=status, headers=headers or {}, body=body, stream=stream)


def errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def encoded(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def logged_in(directory: Path, pair: str) -> dict[str, str]:
    """An environment whose docker config has this login for the registry."""
    document = {"auths": {"registry.example.com": {"auth": encoded(pair)}}}
    (directory / "config.json").write_text(json.dumps(document))
    return {"DOCKER_CONFIG": str(directory), "HOME": "/nonexistent"}


def do_push(fake: FakeRegistry, env: Mapping[str, str] | None = None) -> list[str]:
    told: list[str] = []
    push(image(), PLACE, env=env or {}, plain_http=False, notify=told.append, send=fake.send)
    return told


def test_blobs_come_first_and_the_manifest_last() -> None:
    fake = FakeRegistry()
    told = do_push(fake)
    made = image()
    assert fake.blobs == {made.config.digest: CONFIG}
    assert fake.manifests == {"v1": made.manifest()}
    assert fake.asked[-1] == "PUT /v2/team/app/manifests/v1"
    assert told == [f"{made.config.digest[7:19]} uploaded, 0.0 MB"]


def test_what_is_there_is_not_sent_again() -> None:
    fake = FakeRegistry()
    do_push(fake)
    fake.asked.clear()
    told = do_push(fake)
    assert fake.asked == [
        f"HEAD /v2/team/app/blobs/{image().config.digest}",
        "PUT /v2/team/app/manifests/v1",
    ]
    assert told == [f"{image().config.digest[7:19]} is there already"]


def test_a_large_blob_goes_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "PART", 20)
    fake = FakeRegistry()
    do_push(fake)
    parts = -(-len(CONFIG) // 20)
    assert sum(each.startswith("PATCH") for each in fake.asked) == parts > 3
    assert fake.blobs == {image().config.digest: CONFIG}


def test_what_was_pushed_can_be_pulled() -> None:
    fake = FakeRegistry()
    do_push(fake)
    found = pull(PLACE, env={}, plain_http=False, arch="amd64", send=fake.send)
    assert (found.digest, found.reference) == (image().digest, PLACE)
    assert found.config["architecture"] == "amd64"
    fixed = PLACE.replace(":v1", f"@{image().digest}")
    with pytest.raises(RegistryNotFoundError):
        pull(fixed, env={}, plain_http=False, arch="amd64", send=fake.send)
    fake.manifests[image().digest] = b'{"schemaVersion": 2}'
    with pytest.raises(ImageUnusableError) as caught:
        pull(fixed, env={}, plain_http=False, arch="amd64", send=fake.send)
    assert caught.value.found.startswith("The registry gave sha256:")


@pytest.mark.parametrize("bearer", [False, True])
def test_a_login_of_the_docker_config_is_used(tmp_path: Path, bearer: bool) -> None:
    fake = FakeRegistry(login="me:s3cret", bearer=bearer)
    do_push(fake, logged_in(tmp_path, "me:s3cret"))
    assert list(fake.manifests) == ["v1"]
    if bearer:
        assert parse_qs(fake.tokens[0]) == {
            "service": ["reg"],
            "scope": ["repository:team/app:pull,push"],
            "account": ["me"],
        }


@pytest.mark.parametrize("bearer", [False, True])
def test_a_wrong_login_is_told_without_the_password(tmp_path: Path, bearer: bool) -> None:
    fake = FakeRegistry(login="me:s3cret", bearer=bearer)
    with pytest.raises(RegistryDeniedError) as caught:
        do_push(fake, logged_in(tmp_path, "me:wr0ng"))
    what = "Getting a token" if bearer else "Asking for a layer"
    said = "wrong password" if bearer else "log in"
    assert caught.value.exit_code == ExitCode.PERMISSION
    assert caught.value.text() == (
        "The registry registry.example.com does not allow this\n\n"
        f"{what}, with the login of your docker config: status 401. UNAUTHORIZED: {said}\n\n"
        "Log in with an account that may:\n\n    docker login registry.example.com"
    )
    assert "wr0ng" not in str(vars(caught.value))


def test_no_login_is_told() -> None:
    with pytest.raises(RegistryDeniedError) as caught:
        do_push(FakeRegistry(login="me:s3cret"))
    assert caught.value.details == (
        "Asking for a layer, without a login: status 401. UNAUTHORIZED: log in"
    )


@pytest.mark.parametrize(
    ("key", "status", "code", "kind", "text"),
    [
        (
            "POST blobs",
            403,
            "DENIED",
            RegistryDeniedError,
            "The registry registry.example.com does not allow this\n\n"
            "Uploading to team/app, without a login: status 403. DENIED: words\n\n"
            "Log in with an account that may:\n\n    docker login registry.example.com",
        ),
        (
            "POST blobs",
            404,
            "NAME_UNKNOWN",
            RegistryNotFoundError,
            "The registry registry.example.com does not have what was asked for\n\n"
            "Uploading to team/app: status 404. NAME_UNKNOWN: words\n\n"
            "Check the name and the tag. Some registries want a repository to be made\n"
            "before anything is pushed to it.",
        ),
        (
            "POST blobs",
            400,
            "NAME_INVALID",
            RegistryRefusedError,
            "The registry registry.example.com refuses this\n\n"
            "Uploading to team/app: status 400. NAME_INVALID: words\n\n"
            "Names are lower-case letters and digits, parted by '.', '_', '-' and '/'.",
        ),
        (
            "PUT manifests",
            415,
            "MANIFEST_INVALID",
            RegistryRefusedError,
            "The registry registry.example.com refuses this\n\n"
            "Naming team/app:v1: status 415. MANIFEST_INVALID: words\n\n"
            "An older registry may take the same slug with --compression gzip.",
        ),
        (
            "PUT blobs",
            500,
            "UNKNOWN",
            RegistryFailedError,
            "The registry registry.example.com failed\n\n"
            "Uploading to team/app: status 500. UNKNOWN: words\n\n"
            "What was uploaded is not sent again. Try again later; if it goes on, look\n"
            "at the registry's own log and at the room on its disk.",
        ),
    ],
)
def test_every_refusal_is_told(
    key: str, status: int, code: str, kind: type[RegistryError], text: str
) -> None:
    fake = FakeRegistry(refuse={key: (status, errors(code, "words"))})
    with pytest.raises(kind) as caught:
        do_push(fake)
    assert caught.value.text() == text
    assert fake.manifests == {}


def test_an_answer_that_is_no_json_is_shown_harmlessly() -> None:
    fake = FakeRegistry(refuse={"POST blobs": (502, b"<html>\x1b[31mBad Gateway</html>")})
    with pytest.raises(RegistryFailedError) as caught:
        do_push(fake)
    assert caught.value.found == "<html>\\x1b[31mBad Gateway</html>"


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
        thread.join(5)


def from_repository(origin: str) -> Image:
    return Image(
        config=changed(blob_of(CONFIG, CONFIG_TYPE), origin=origin), layers=(), annotations={}
    )


@pytest.mark.parametrize(
    ("origin", "mounts", "uploads"),
    [
        ("registry.example.com/team/base", 1, 0),
        ("registry.example.com/secret", 1, 1),  # not ours to read: uploaded all the same
        ("other.example.com/team/base", 0, 1),
        ("registry.example.com/team/app", 0, 1),
        ("", 0, 1),
    ],
)
def test_a_layer_is_taken_over_within_a_registry_where_we_may(
    origin: str, mounts: int, uploads: int
) -> None:
    digest = blob_of(CONFIG, CONFIG_TYPE).digest
    fake = FakeRegistry(elsewhere={f"team/base {digest}": CONFIG})
    told: list[str] = []
    push(
        from_repository(origin),
        PLACE,
        env={},
        plain_http=False,
        notify=told.append,
        send=fake.send,
    )
    assert fake.blobs[digest] == CONFIG
    assert fake.asked.count("POST /v2/team/app/blobs/uploads/") == mounts + uploads
    assert sum(line.startswith("PUT /v2/team/app/blobs") for line in fake.asked) == uploads
    assert ("taken over from" in told[0]) is not bool(uploads)


@pytest.mark.parametrize("knows_subjects", [True, False])
def test_what_is_attached_is_listed_where_nobody_else_does(knows_subjects: bool) -> None:
    fake = FakeRegistry(knows_subjects=knows_subjects)
    documents = (blob_of(b"one", "application/one"), blob_of(b"two", "application/two"))
    for _ in range(2):
        push(
            image(),
            PLACE,
            env={},
            plain_http=False,
            notify=lambda _: None,
            send=fake.send,
            attached=documents,
        )
    tag = image().digest.replace(":", "-")
    assert (tag in fake.manifests) is not knows_subjects
    artifacts = [json.loads(each) for each in fake.manifests.values() if b"artifactType" in each]
    named = [each for each in artifacts if "subject" in each]
    assert [each["artifactType"] for each in named] == ["application/one", "application/two"]
    assert {each["subject"]["digest"] for each in named} == {image().digest}
    if not knows_subjects:
        assert len(json.loads(fake.manifests[tag])["manifests"]) == 2


@pytest.mark.parametrize("there", [b"[]", b"{", b'{"manifests": 7}'])
def test_a_list_that_is_none_is_not_written_over(there: bytes) -> None:
    fake = FakeRegistry()
    tag = image().digest.replace(":", "-")
    fake.manifests[tag] = there
    documents = (blob_of(b"one", "application/one"),)
    with pytest.raises(ImageUnusableError, match="no image that can be used") as caught:
        push(
            image(),
            PLACE,
            env={},
            plain_http=False,
            notify=lambda _: None,
            send=fake.send,
            attached=documents,
        )
    assert caught.value.details == f"Under {tag} it has no list."
    assert fake.manifests[tag] == there
