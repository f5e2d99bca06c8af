"""Images to and from a registry: https://github.com/opencontainers/distribution-spec

What the registry has is not sent again; the manifest, which names everything else, comes last.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlencode, urljoin, urlsplit

from buildpack.support.errors import printable_path
from slugc.inspection.wording import size_text
from slugc.transfer.http_door import Body, Send, open_http
from slugc.transfer.image import INDEX_TYPE, MANIFEST_TYPE, Blob, Image, digest_of
from slugc.transfer.image_source import StoredImage, oci_image
from slugc.transfer.image_stores import MAX_DOCUMENT, ImageUnusableError
from slugc.transfer.reference import DIGEST, HUB, HUB_SERVER, Reference, parse_reference
from slugc.transfer.registry_errors import (
    RegistryError,
    RegistryNotFoundError,
    RegistryRefusedError,
    RegistryTlsError,
)
from slugc.transfer.registry_http import RegistryHttp
from slugc.transfer.streams import ChunkReader, checked

PART = 64 * 1024 * 1024
"""Bytes of one request: what is larger goes up in parts, as proxies limit what they pass on."""
_CHUNK = 1024 * 1024
_ACCEPTED = (
    MANIFEST_TYPE,
    INDEX_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def push(  # noqa: PLR0913  # all but the first two are named
    image: Image,
    place: str,
    *,
    env: Mapping[str, str],
    plain_http: bool,
    notify: Callable[[str], None],
    send: Send | None = None,
    attached: Sequence[Blob] = (),
) -> None:
    """Upload what the registry lacks of ``image``, then its manifest under the tag; then what is
    ``attached`` to it."""
    reference = parse_reference(place)
    registry = open_registry(
        reference, "pull,push", env, plain_http=plain_http, send=send or open_http(env)
    )
    for blob in image.blobs():
        if registry.has(blob):
            notify(f"{blob.digest[7:19]} is there already")
        elif registry.mount(blob):
            notify(f"{blob.digest[7:19]} taken over from {printable_path(blob.origin)}")
        else:
            registry.upload(blob)
            notify(f"{blob.digest[7:19]} uploaded, {size_text(blob.size)}")
    registry.put_manifest(image.manifest())
    if attached:
        from slugc.transfer.referrers import attach

        attach(registry, image, attached, notify)


def pull(
    place: str,
    *,
    env: Mapping[str, str],
    plain_http: bool,
    arch: str,
    send: Send | None = None,
) -> StoredImage:
    """The image at ``place``; its layers are fetched when they are read."""
    reference = parse_reference(place)
    registry = open_registry(
        reference, "pull", env, plain_http=plain_http, send=send or open_http(env)
    )
    content = registry.manifest()
    digest = digest_of(content)
    if DIGEST.fullmatch(reference.tag) and digest != reference.tag:
        raise ImageUnusableError(reference.shown, f"The registry gave {digest}.")
    return oci_image(registry, digest, arch=arch, content=content)


class Registry:
    """One repository of a registry."""

    def __init__(self, http: RegistryHttp, reference: Reference) -> None:
        self._http = http
        self._reference = reference
        self._path = f"/v2/{reference.name}"
        self.shown = self.reference = reference.shown
        self.repository = f"{reference.host}/{reference.name}"

    def blob(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes; or a manifest's, which have a place of their own."""
        fine = frozenset({200, 404})
        url = f"{self._path}/blobs/{digest}"
        answer = self._http.call("GET", url, what="Fetching a layer", fine=fine, streamed=True)
        if answer.status == 404:
            return iter((self._get_manifest(digest),))
        return answer.stream()

    def manifest(self) -> bytes:
        return self._get_manifest(self._reference.tag)

    def _get_manifest(self, tag: str) -> bytes:
        what = f"Fetching {self._reference.name}:{tag}"
        url = f"{self._path}/manifests/{tag}"
        answer = self._http.call("GET", url, what=what, headers={"Accept": ", ".join(_ACCEPTED)})
        if len(answer.body) >= MAX_DOCUMENT:
            raise ImageUnusableError(self.shown, "Its manifest is too large.")
        return answer.body

    def has(self, blob: Blob) -> bool:
        """Whether it is there already."""
        url = f"{self._path}/blobs/{blob.digest}"
        fine = frozenset({200, 404})
        return self._http.call("HEAD", url, what="Asking for a layer", fine=fine).status == 200

    def mount(self, blob: Blob) -> bool:
        """Have the registry take it over from another repository of its own, if that is where it
        is and we may read there; what is refused is uploaded."""
        host, _, name = blob.origin.partition("/")
        if host != self._reference.host or name == self._reference.name:
            return False
        url = f"{self._path}/blobs/uploads/?{urlencode({'mount': blob.digest, 'from': name})}"
        try:
            answer = self._http.call(
                "POST", url, what=f"Taking over from {name}", fine=frozenset({201, 202})
            )
        except RegistryError:
            return False
        return answer.status == 201  # 202 begins an upload, which ends by itself

    def upload(self, blob: Blob) -> None:
        """Send a blob: small ones in one request, large ones in parts."""
        what = f"Uploading to {self._reference.name}"
        begun = self._http.call(
            "POST", f"{self._path}/blobs/uploads/", what=what, fine=frozenset({202})
        )
        where = self._location(begun.headers, self._path)
        content = None
        if blob.size > PART:
            where = self._upload_parts(blob, where, what)
        else:
            read = checked(blob.read(), blob.digest, where="the image")
            whole = b"".join(read)
            content = Body(size=len(whole), read=lambda: iter((whole,)))
        joint = "&" if "?" in where else "?"
        finish = f"{where}{joint}{urlencode({'digest': blob.digest})}"
        self._http.call("PUT", finish, what=what, fine=frozenset({201}), body=content)

    def _upload_parts(self, blob: Blob, where: str, what: str) -> str:
        reader = ChunkReader(checked(blob.read(), blob.digest, where="the image"))
        start = 0
        while part := _take(reader, PART):
            body = Body(size=len(part), read=lambda part=part: _pieces(part))  # type: ignore[misc]  # bound now
            headers = {"Content-Range": f"{start}-{start + len(part) - 1}"}
            fine = frozenset({202})
            answer = self._http.call(
                "PATCH", where, what=what, fine=fine, headers=headers, body=body
            )
            where = self._location(answer.headers, where)
            start += len(part)
        return where

    def put_manifest(
        self, content: bytes, *, tag: str = "", media_type: str = MANIFEST_TYPE
    ) -> Mapping[str, str]:
        """Name the image: from here on it is there. Returns the answer's headers."""
        tag = tag or self._reference.tag
        body = Body(size=len(content), read=lambda: iter((content,)), media_type=media_type)
        url = f"{self._path}/manifests/{tag}"
        what = f"Naming {self._reference.name}:{tag}"
        return self._http.call("PUT", url, what=what, fine=frozenset({201}), body=body).headers

    def document(self, tag: str) -> bytes | None:
        """The manifest or index called ``tag``; None where there is none."""
        try:
            return self._get_manifest(tag)
        except RegistryNotFoundError:
            return None

    def _location(self, headers: Mapping[str, str], last: str) -> str:
        found = headers.get("location")
        if not found:
            raise RegistryRefusedError(
                self._http.host, "Uploading", status=202, found="It did not say where to."
            )
        url = urljoin(urljoin(self._http.base, last), found)
        if urlsplit(self._http.base).scheme == "https" and urlsplit(url).scheme != "https":
            raise RegistryTlsError(self._http.host, "It wants layers to be sent without TLS.")
        return url


def open_registry(
    reference: Reference,
    actions: str,
    env: Mapping[str, str],
    *,
    plain_http: bool,
    send: Send,
) -> Registry:
    """The repository of ``reference``. Without TLS only on this machine, or when told to."""
    host = HUB_SERVER if reference.host == HUB else reference.host
    scheme = "http" if plain_http or _is_plain_here(host, send) else "https"
    scope = f"repository:{reference.name}:{actions}"
    return Registry(RegistryHttp(f"{scheme}://{host}", scope, env, send=send), reference)


def _is_plain_here(host: str, send: Send) -> bool:
    """Whether a registry on this machine speaks plain HTTP; it is asked with TLS first."""
    if not is_loopback(host):
        return False
    try:
        send("GET", f"https://{host}/v2/", {}, None, False)
    except RegistryTlsError as err:
        cause = err.__cause__
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        # A certificate that is not trusted is no reason to do without.
        return not isinstance(cause, ssl.SSLCertVerificationError)
    return False


def is_loopback(host: str) -> bool:
    """Whether a host with a port is this machine itself."""
    name = host.rpartition(":")[0] if re.search(r":[0-9]+$", host) else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _take(reader: ChunkReader, count: int) -> bytes:
    parts = []
    while count and (data := reader.read(min(count, _CHUNK))):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def _pieces(content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    for start in range(0, len(content), _CHUNK):
        yield bytes(view[start : start + _CHUNK])
