"""Where a slug came from: an in-toto statement with SLSA's provenance (v1).

Only what the slug itself tells: nothing is guessed, and nothing is taken from the machine that
asks. So the same slug gives the same statement, unless a time is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from buildpack.support.values import value
from slugc.slug import BuildpackRecord, Slug, SlugMetadata
from slugc.stack import Stack
from slugc.supply_chain.inventory import Item
from slugc.supply_chain.materials import BUILDER, SOURCE

BUILD_TYPE = "urn:slugkit:slug-build:v1"
BUILDER_ID = "urn:slugkit:slugc"
"""Nobody in particular: who runs slugc where others may trust it gives an id of their own."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
Descriptor = Mapping[str, object]


@value
class RememberedRun:
    """One run of a build, as whoever ran it remembers: not part of the slug."""

    sandbox: str
    started: str
    """UTC, as RFC 3339 has it"""
    finished: str


def provenance_predicate(
    slug: Slug, items: Sequence[Item], *, builder_id: str, run: RememberedRun | None
) -> Mapping[str, object]:
    """SLSA's provenance of ``slug``, in which these ``items`` are installed."""
    metadata = slug.metadata
    definition: dict[str, object] = {
        "buildType": BUILD_TYPE,
        "externalParameters": _external(slug),
        "resolvedDependencies": [
            *_source(metadata),
            *map(_buildpack, metadata.buildpacks),
            _stack(metadata.stack),
            *(_installed(item) for item in items if not item.bundled),
        ],
    }
    if run:
        definition["internalParameters"] = {"sandbox": run.sandbox}
    builder: dict[str, object] = {"id": builder_id}
    if version := metadata.materials.get(BUILDER):
        builder["version"] = {"slugkit": version}
    details: dict[str, object] = {"builder": builder}
    if run:
        details["metadata"] = {"startedOn": run.started, "finishedOn": run.finished}
    return {"buildDefinition": definition, "runDetails": details}


def _external(slug: Slug) -> Mapping[str, object]:
    """What whoever asked for the build decided. Config vars given to it are not kept anywhere."""
    metadata = slug.metadata
    given: dict[str, object] = {
        "name": metadata.name,
        "format": str(slug.format),
        "stack": metadata.stack.id,
        "buildpacks": [record.source for record in metadata.buildpacks],
    }
    if source := metadata.materials.get(SOURCE):
        given["source"] = source
    if metadata.commit and not metadata.is_of_commit:
        given["checkout"] = metadata.commit
    return given


def _source(metadata: SlugMetadata) -> Iterator[Descriptor]:
    """A source that is neither a commit nor has an address cannot be named."""
    found: dict[str, object] = {"name": "source"}
    if uri := metadata.materials.get(SOURCE):
        found["uri"] = uri.replace("#", "@", 1)  # as SPDX and SLSA write a ref
    if metadata.is_of_commit and _COMMIT.fullmatch(str(metadata.commit)):
        found["digest"] = {"gitCommit": metadata.commit}
    if len(found) > 1:
        yield found


def _buildpack(record: BuildpackRecord) -> Descriptor:
    found: dict[str, object] = {"name": record.name or record.source}
    kind, _, digest = record.digest.partition(":")
    if kind == "sha256":
        found["digest"] = {"sha256": digest}
    if "://" in record.source:
        found["uri"] = record.source.replace("#", "@", 1)
    found["annotations"] = {
        "role": "buildpack",
        "source": record.source,
        **({"version": record.version} if record.version else {}),
    }
    return found


def _stack(stack: Stack) -> Descriptor:
    arch = f"?arch={stack.arch}" if stack.arch else ""
    annotations = {"role": "stack", "distribution": stack.distribution, "glibc": stack.glibc}
    return {
        "name": stack.id,
        "uri": f"pkg:generic/{stack.id}{arch}",
        "annotations": {key: text for key, text in annotations.items() if text},
    }


def _installed(item: Item) -> Descriptor:
    """The archive's digest where a lock named it; else that of what lies in the slug."""
    role = "runtime" if item.kind == "runtime" else "package"
    annotations: dict[str, object] = {"role": role}
    found: dict[str, object] = {"name": item.name, "uri": item.purl, "annotations": annotations}
    if item.archive:
        found["digest"] = {item.archive.algorithm: item.archive.digest}
        if item.archive.url:
            found["downloadLocation"] = item.archive.url
        if item.content:
            annotations["installed"] = {"dirHash": item.content}
    elif item.content:
        found["digest"] = {"dirHash": item.content}
    return found
