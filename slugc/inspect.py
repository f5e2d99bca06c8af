"""What a slug says about itself, for people and for programs; nothing is unpacked."""

from __future__ import annotations

import dataclasses
import json

from slugc.slug import Slug


def summary(slug: Slug) -> str:
    """A page for a person."""
    metadata = slug.metadata
    stack = metadata.stack
    lines = [
        f"Slug:      {slug.archive} ({slug.archive.stat().st_size:,} bytes)",
        f"Checksum:  {metadata.checksum}",
        f"Name:      {metadata.name}",
        f"Stack:     {stack.id} (glibc {stack.glibc or '-'}, {stack.arch})",
        f"Python:    {metadata.python_version or '-'}",
        f"Commit:    {metadata.commit or '-'}",
        "Buildpacks:",
        *(
            f"  {record.name} {record.version} ({record.source}, {record.digest[:19]})"
            for record in metadata.buildpacks
        ),
        "Process types:",
        *(f"  {kind}: {command}" for kind, command in metadata.process_types.items()),
        "Layers:",
        *(
            f"  {layer.name:<13} {layer.size:>12,} bytes, {layer.uncompressed_size:>13,} unpacked"
            for layer in metadata.layers
        ),
    ]
    if metadata.config_vars:
        lines += ["Default config vars:", *(f"  {name}" for name in metadata.config_vars)]
    return "\n".join(lines) + "\n"


def as_procfile(slug: Slug) -> str:
    """The process types, as a Procfile would name them."""
    return "".join(f"{kind}: {line}\n" for kind, line in slug.metadata.process_types.items())


def as_json(slug: Slug) -> str:
    """Everything in the index."""
    metadata = slug.metadata
    document = {
        "slug": str(slug.archive),
        "size": slug.archive.stat().st_size,
        "format": slug.format,
        "schema": metadata.schema,
        "name": metadata.name,
        "checksum": metadata.checksum,
        "stack": dataclasses.asdict(metadata.stack),
        "python_version": metadata.python_version,
        "commit": metadata.commit,
        "buildpacks": [dataclasses.asdict(record) for record in metadata.buildpacks],
        "process_types": dict(metadata.process_types),
        "config_vars": dict(metadata.config_vars),
        "layers": [dataclasses.asdict(layer) for layer in metadata.layers],
    }
    return json.dumps(document, indent=2)
