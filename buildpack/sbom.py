"""What is installed, as a CycloneDX 1.6 document: names, versions, licences, where from."""

from __future__ import annotations

from importlib.metadata import Distribution, distributions
from pathlib import Path

from buildpack.support.cyclonedx import (
    Component,
    as_text,
    document,
    edges,
    pypi_component,
    pypi_purl,
    python_runtime,
)
from buildpack.support.names import normalized
from buildpack.versions.python_version import PythonVersion


def sbom_json(site_packages: Path, python: PythonVersion) -> str:
    """The document as text: the same for the same installation, whenever and wherever."""
    found = sorted(distributions(path=[str(site_packages)]), key=lambda d: normalized(d.name))
    components = [python_runtime(str(python)), *(_component(each) for each in found)]
    named = [(d.name, pypi_purl(d.name, d.version), d.requires or []) for d in found]
    return as_text(document(components, edges(named)))


def _component(distribution: Distribution) -> Component:
    metadata = distribution.metadata
    headers = {
        name.lower(): tuple(map(str, metadata.get_all(name) or [])) for name in set(metadata)
    }
    direct_url = distribution.read_text("direct_url.json")
    return pypi_component(
        headers,
        name=distribution.name,
        version=distribution.version,
        direct_url=None if direct_url is None else direct_url.encode(),
    )
