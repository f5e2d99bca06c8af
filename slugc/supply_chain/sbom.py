"""What is in a slug, as a CycloneDX 1.6 document (docs/supply-chain.md says what each part means).

The same slug gives the same document, whenever and wherever it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from buildpack.support.cyclonedx import (
    Component,
    as_text,
    document,
    edges,
    pypi_component,
    python_runtime,
)
from buildpack.version import __version__
from slugc.slug import BuildpackRecord, Slug
from slugc.supply_chain.inventory import DEBIAN, Item, read_inventory
from slugc.supply_chain.locks import Archive

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_ALGORITHMS = {"sha256": "SHA-256", "sha512": "SHA-512"}


def slug_sbom(slug: Slug) -> bytes:
    """The document: every package that can be told, with digests and licences."""
    return as_text(sbom_document(slug, read_inventory(slug))).encode()


def sbom_document(slug: Slug, items: Sequence[Item]) -> Mapping[str, object]:
    """The document about these ``items`` of ``slug``."""
    root = _root(slug)
    reference = str(root["bom-ref"])
    parts = {
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "slugc", "version": __version__}]
            },
            "component": root,
            "properties": [
                _property("hashes", "of a component: in-toto dirHash of its installed files")
            ],
        },
        "formulation": [{"components": list(_buildpacks(slug.metadata.buildpacks))}],
    }
    return document(
        [_component(item) for item in items],
        [{"ref": reference, "dependsOn": sorted(item.ref for item in items)}, *_edges(items)],
        seed=slug.metadata.checksum,
        parts=parts,
    )


def _root(slug: Slug) -> Mapping[str, object]:
    metadata = slug.metadata
    return {
        "type": "application",
        "bom-ref": metadata.checksum,
        "name": metadata.name,
        "version": metadata.commit or metadata.checksum,
        "properties": [
            _property("checksum", metadata.checksum),
            _property("stack", metadata.stack.id),
            _property("arch", metadata.stack.arch),
        ],
    }


def _buildpacks(records: Sequence[BuildpackRecord]) -> Iterator[Component]:
    """What built the slug is no part of it: CycloneDX calls that its formulation."""
    for number, record in enumerate(records):
        kind, _, digest = record.digest.partition(":")
        component: dict[str, object] = {
            "type": "application",
            "bom-ref": f"buildpack-{number}",
            "name": record.name or record.source,
            "version": record.version,
            "properties": [_property("source", record.source)],
        }
        if kind in _ALGORITHMS:
            component["hashes"] = [{"alg": _ALGORITHMS[kind], "content": digest}]
        yield component


def _component(item: Item) -> Component:
    component = {**_described(item), "bom-ref": item.ref}
    if item.content:
        component["hashes"] = [{"alg": "SHA-256", "content": item.content}]
    if item.archive and item.archive.url:
        component.setdefault("externalReferences", [_reference(item.archive, item.archive.url)])
    component["properties"] = list(_properties(item))
    return component


def _described(item: Item) -> dict[str, object]:
    if item.kind == "pypi":
        return pypi_component(
            item.headers, name=item.name, version=item.version, direct_url=item.direct_url
        )
    if item.kind == "runtime" and item.name == "python" and item.version:
        return python_runtime(item.version)
    component: dict[str, object] = {
        "type": "platform" if item.kind == "runtime" else "library",
        "name": item.name,
        "version": item.version,
        "purl": item.purl,
    }
    if summary := item.headers.get("summary"):
        component["description"] = summary[0]
    if item.licences:
        component["licenses"] = item.licences
    return component


def _reference(archive: Archive, url: str) -> Mapping[str, object]:
    hashes = [{"alg": _ALGORITHMS[archive.algorithm], "content": archive.digest}]
    return {"type": "distribution", "url": url, "hashes": hashes}


def _properties(item: Item) -> Iterator[Mapping[str, str]]:
    yield _property("path", item.path)
    yield _property("layer", item.layer)
    if item.bundled:
        yield _property("bundled", "true")
    if item.archive:
        yield _property(f"archive:{item.archive.algorithm}", item.archive.digest)
    if item.yanked is not None:
        yield _property("yanked", item.yanked or "no reason given")
    if item.missing:
        yield _property("record:missing", str(item.missing))
    if item.changed:
        yield _property("record:changed", str(item.changed))
    if item.kind == DEBIAN:
        yield _property("found-by", "its changelog or status file")


def _property(name: str, text: str) -> Mapping[str, str]:
    return {"name": f"slugkit:{name}", "value": text}


def _edges(items: Sequence[Item]) -> Iterator[Mapping[str, object]]:
    python = [item for item in items if item.kind == "pypi"]
    installed = [item for item in python if not item.bundled]
    yield from edges(
        (item.name, item.ref, item.headers.get("requires-dist", ())) for item in installed
    )
    told = {item.ref for item in installed}
    for item in items:
        if item.ref not in told:
            yield {"ref": item.ref, "dependsOn": []}
