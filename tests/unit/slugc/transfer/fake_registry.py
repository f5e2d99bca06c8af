"""A registry of dictionaries that stands in for a real one; tests/integration has Debian's."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from slugc.transfer.http_door import Answer, Body
from slugc.transfer.image import CONFIG_TYPE, Image, blob_of
from slugc.transfer.registry import push

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
