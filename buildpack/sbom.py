"""What is installed, as a CycloneDX 1.6 document: names, versions, licences, where from."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

from buildpack.versions.python_version import PythonVersion

SPEC_VERSION = "1.6"


def sbom_json(site_packages: Path, python: PythonVersion) -> str:
    """The document as text: the same for the same installation, whenever and wherever."""
    found = sorted(distributions(path=[str(site_packages)]), key=lambda d: _normalized(d.name))
    components = [_runtime(python), *(_component(distribution) for distribution in found)]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{_serial(components)}",
        "version": 1,
        "components": components,
        "dependencies": list(_edges(found)),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _serial(components: Iterable[Mapping[str, object]]) -> uuid.UUID:
    digest = hashlib.sha256(json.dumps(list(components), sort_keys=True).encode()).digest()
    return uuid.UUID(bytes=digest[:16], version=4)


def _runtime(python: PythonVersion) -> Mapping[str, object]:
    return {
        "type": "platform",
        "bom-ref": f"pkg:generic/python@{python}",
        "name": "python",
        "version": str(python),
        "purl": f"pkg:generic/python@{python}",
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }


def _component(distribution: Distribution) -> Mapping[str, object]:
    component: dict[str, object] = {
        "type": "library",
        "bom-ref": _purl(distribution),
        "name": distribution.name,
        "version": distribution.version,
        "purl": _purl(distribution),
    }
    if summary := _field(distribution, "Summary"):
        component["description"] = summary
    if licenses := _licenses(distribution):
        component["licenses"] = licenses
    if source := _source(distribution):
        component["externalReferences"] = [source]
    return component


def _purl(distribution: Distribution) -> str:
    version = urllib.parse.quote(distribution.version, safe="")
    return f"pkg:pypi/{_normalized(distribution.name)}@{version}"


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _field(distribution: Distribution, name: str) -> str:
    value = distribution.metadata[name] if name in distribution.metadata else ""  # noqa: SIM401 - a message, not a dict
    return str(value).strip()


def _licenses(distribution: Distribution) -> list[Mapping[str, object]]:
    """PEP 639's expression where it is; else the free text, if it is a name, not a licence."""
    if expression := _field(distribution, "License-Expression"):
        return [{"expression": expression}]
    text = _field(distribution, "License")
    if text and "\n" not in text and len(text) <= 80 and text.upper() != "UNKNOWN":
        return [{"license": {"name": text}}]
    classifiers = distribution.metadata.get_all("Classifier") or []
    names = [str(c).rpartition(" :: ")[2] for c in classifiers if str(c).startswith("License :: ")]
    return [{"license": {"name": name}} for name in names]


def _source(distribution: Distribution) -> Mapping[str, object] | None:
    """Where a distribution that did not come from an index came from (PEP 610)."""
    text = distribution.read_text("direct_url.json")
    if text is None:
        return None
    url = json.loads(text)["url"]
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname or parts.scheme == "file":
        return None
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return {"type": "distribution", "url": bare}


def _edges(found: Iterable[Distribution]) -> Iterable[Mapping[str, object]]:
    """Who needs whom, among what is installed; extras and markers are not weighed."""
    everyone = list(found)
    by_name = {_normalized(d.name): _purl(d) for d in everyone}
    for distribution in everyone:
        wanted = {_normalized(_name_of(text)) for text in distribution.requires or []}
        yield {
            "ref": _purl(distribution),
            "dependsOn": sorted(by_name[name] for name in wanted if name in by_name),
        }


def _name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return match[0] if match else requirement
