"""What is attached to an image in a registry: documents that name it as their subject.

https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
A registry that knows the image of an artifact says so (OCI-Subject); for the others the list of an
image's artifacts is kept under a tag made of its digest, as distribution-spec has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from slugc.transfer.image import (
    INDEX_TYPE,
    MANIFEST_TYPE,
    Blob,
    Image,
    blob_of,
    canonical_json,
    digest_of,
)
from slugc.transfer.image_stores import ImageUnusableError

EMPTY = blob_of(b"{}", "application/vnd.oci.empty.v1+json")
"""The configuration of what is no image."""


class Repository(Protocol):
    """What of a registry's repository is needed here."""

    shown: str

    def has(self, blob: Blob) -> bool: ...

    def upload(self, blob: Blob) -> None: ...

    def put_manifest(
        self, content: bytes, *, tag: str = "", media_type: str = MANIFEST_TYPE
    ) -> Mapping[str, str]: ...

    def document(self, tag: str) -> bytes | None: ...


def attach(
    registry: Repository, image: Image, documents: Sequence[Blob], notify: Callable[[str], None]
) -> None:
    """Push each of ``documents`` as an artifact whose subject is ``image``."""
    for document in documents:
        for blob in (EMPTY, document):
            if not registry.has(blob):
                registry.upload(blob)
        content = artifact(image, document)
        digest = digest_of(content)
        headers = registry.put_manifest(content, tag=digest)
        if "oci-subject" not in headers:
            _list(registry, image.digest, _listed(content, document))
        notify(f"{digest[7:19]} attached, {document.media_type}")


def artifact(image: Image, document: Blob) -> bytes:
    """The manifest of ``document`` as an artifact of ``image``."""
    manifest = image.manifest()
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": document.media_type,
            "config": EMPTY.descriptor(),
            "layers": [document.descriptor()],
            "subject": {
                "mediaType": MANIFEST_TYPE,
                "digest": digest_of(manifest),
                "size": len(manifest),
            },
        }
    )


def _listed(content: bytes, document: Blob) -> Mapping[str, object]:
    return {
        "mediaType": MANIFEST_TYPE,
        "digest": digest_of(content),
        "size": len(content),
        "artifactType": document.media_type,
    }


def _list(registry: Repository, digest: str, entry: Mapping[str, object]) -> None:
    """Add ``entry`` to the list under the image's own tag, if it does not stand there."""
    tag = digest.replace(":", "-")
    entries = _entries(registry, tag)
    if any(isinstance(each, dict) and each.get("digest") == entry["digest"] for each in entries):
        return
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [*entries, entry]}
    registry.put_manifest(canonical_json(index), tag=tag, media_type=INDEX_TYPE)


def _entries(registry: Repository, tag: str) -> list[object]:
    content = registry.document(tag)
    if content is None:
        return []
    try:
        entries = json.loads(content)["manifests"]
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise ImageUnusableError(registry.shown, f"Under {tag} it has no list.") from err
    if not isinstance(entries, list):
        raise ImageUnusableError(registry.shown, f"Under {tag} it has no list.")
    return entries
