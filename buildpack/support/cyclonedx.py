"""CycloneDX 1.6: what the lists of packages have in common that buildpacks and slugs are given.

The same components give the same document, whenever and wherever: no clock, and a serial number
that is a digest.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
import uuid
from collections.abc import Iterable, Mapping, Sequence

from buildpack.support.licences import Headers, licences
from buildpack.support.names import normalized

SPEC_VERSION = "1.6"
Component = Mapping[str, object]

# What may stand in a document as a URL (RFC 3986, less user names): others are left out, because
# a reader that checks addresses would refuse the whole document.
_URL = re.compile(
    r"(?:git\+|hg\+|svn\+|bzr\+)?(?:https?|ssh)://[A-Za-z0-9.:\[\]~!$&'()*+,;=%/?@_#-]+"
)


def document(
    components: Sequence[Component],
    dependencies: Iterable[Mapping[str, object]],
    *,
    seed: str = "",
    parts: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The whole document. ``parts`` are more of its keys; ``seed`` goes into the serial number."""
    described: object = [seed, parts, components] if seed or parts else components
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{_serial(described)}",
        "version": 1,
        **(parts or {}),
        "components": components,
        "dependencies": list(dependencies),
    }


def as_text(found: Mapping[str, object]) -> str:
    """A document as a file holds it."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _serial(described: object) -> uuid.UUID:
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).digest()
    return uuid.UUID(bytes=digest[:16], version=4)


def python_runtime(version: str) -> dict[str, object]:
    """The interpreter as a component."""
    return {
        "type": "platform",
        "bom-ref": f"pkg:generic/python@{version}",
        "name": "python",
        "version": version,
        "purl": f"pkg:generic/python@{version}",
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }


def pypi_component(
    headers: Headers, *, name: str, version: str, direct_url: bytes | None
) -> dict[str, object]:
    """One installed distribution, after its METADATA and its direct_url.json (PEP 610)."""
    purl = pypi_purl(name, version)
    component: dict[str, object] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }
    if summary := headers.get("summary", ("",))[0].strip():
        component["description"] = summary
    if found := licences(headers):
        component["licenses"] = found
    if source := _source(direct_url):
        component["externalReferences"] = [source]
    return component


def pypi_purl(name: str, version: str) -> str:
    """The package URL of a Python distribution."""
    return f"pkg:pypi/{normalized(name)}@{urllib.parse.quote(version, safe='')}"


def _source(direct_url: bytes | None) -> Mapping[str, object] | None:
    """Where a distribution that did not come from an index came from."""
    said = json_object(direct_url)
    url = bare_url(said.get("url"))
    if url is None:
        return None
    source: dict[str, object] = {"type": "distribution", "url": url}
    archive = said.get("archive_info")
    hashes = archive.get("hashes") if isinstance(archive, dict) else None
    sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
    if isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256):
        source["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return source


def json_object(content: bytes | None) -> Mapping[str, object]:
    """The JSON object in a file that anybody may have written; empty when there is none in it."""
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def bare_url(url: object) -> str | None:
    """``url`` without user, password and query, which may be a secret; None for a local one."""
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return None
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def edges(found: Iterable[tuple[str, str, Sequence[str]]]) -> Iterable[Mapping[str, object]]:
    """Who needs whom, among what is installed: from (name, reference, Requires-Dist lines).

    Extras and markers are not weighed.
    """
    everyone = list(found)
    by_name = {normalized(name): reference for name, reference, _ in everyone}
    for _, reference, requires in everyone:
        wanted = {normalized(_name_of(text)) for text in requires}
        needed = {by_name[name] for name in wanted if name in by_name} - {reference}
        yield {"ref": reference, "dependsOn": sorted(needed)}


def _name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return match[0] if match else requirement
