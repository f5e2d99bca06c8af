"""What a slug says about itself, for people and for programs: its index alone is read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from buildpack.support.errors import printable, printable_path
from slugc.history import BuildRecord
from slugc.inspection.wording import bar, pairs, size_text, table
from slugc.slug import BuildpackRecord, Layer, Slug, SlugMetadata

_BAR = 24
_WHOLE = 100_000
"""A process type's command is shown whole, however long."""


def summary(slug: Slug, *, width: int = 80, build: BuildRecord | None = None) -> str:
    """A page for a person, ``width`` columns wide. ``build`` is what this machine knows of it."""
    metadata = slug.metadata
    parts = [
        f"{heading(slug)}\n",
        pairs(facts(slug, build), width=width),
        _section("Process types", pairs(_process_types(slug), width=width)),
        _section("Buildpacks", pairs(map(_buildpack, metadata.buildpacks), width=width)),
        _section("Layers", _layers(metadata.layers)),
    ]
    if metadata.config_vars:
        names = ((printable(name), "") for name in metadata.config_vars)
        parts.append(_section("Default config vars", pairs(names, width=width)))
    return "\n".join(part for part in parts if part)


def heading(slug: Slug) -> str:
    """``polls: 25.8 MB packed, 93.4 MB unpacked``."""
    packed, unpacked = slug.archive.stat().st_size, unpacked_size(slug)
    name = printable(slug.metadata.name)
    return f"{name}: {size_text(packed)} packed, {size_text(unpacked)} unpacked"


def unpacked_size(slug: Slug) -> int:
    """The bytes of the slug's tar stream."""
    return sum(layer.uncompressed_size for layer in slug.metadata.layers)


def facts(slug: Slug, build: BuildRecord | None = None) -> tuple[tuple[str, str], ...]:
    """What there is to say in one line each."""
    metadata, stack = slug.metadata, slug.metadata.stack
    rows = [
        ("Slug", printable_path(slug.archive)),
        ("Checksum", metadata.checksum),
        (
            "Stack",
            f"{printable(stack.id)} (glibc {printable(stack.glibc) or '-'},"
            f" {printable(stack.arch)})",
        ),
        ("Python", printable(metadata.python_version or "-")),
        ("Commit", f"{printable(metadata.commit or '-')}{_how_sure(metadata)}"),
    ]
    if build is not None:
        when = printable(build.built_at.replace("T", " ").replace("Z", " UTC"))
        how = f"{when}, in {build.duration:.1f} s, sandbox {printable(build.sandbox)}"
        rows.append(("Built here", how))
    return tuple(rows)


def _how_sure(metadata: SlugMetadata) -> str:
    return " (of the checkout)" if metadata.commit and not metadata.is_of_commit else ""


def _section(title: str, body: str) -> str:
    return f"{title}\n{body}" if body else ""


def _process_types(slug: Slug) -> Iterable[tuple[str, str]]:
    for kind, command in slug.metadata.process_types.items():
        yield kind, printable(command, limit=_WHOLE)


def _buildpack(record: BuildpackRecord) -> tuple[str, str]:
    source, digest = printable(record.source, limit=200), printable(record.digest)[:19]
    return f"{printable(record.name)} {printable(record.version)}", f"{source} ({digest})"


def _layers(layers: tuple[Layer, ...]) -> str:
    whole = sum(layer.size for layer in layers) or 1
    rows = [("", "packed", "unpacked", "")]
    rows += [
        (
            printable(layer.name),
            size_text(layer.size),
            size_text(layer.uncompressed_size),
            bar(layer.size / whole, _BAR),
        )
        for layer in layers
    ]
    return table(rows, right=(1, 2))


def as_procfile(slug: Slug) -> str:
    """The process types, as a Procfile would name them."""
    return "".join(f"{kind}: {line}\n" for kind, line in slug.metadata.process_types.items())


def as_document(slug: Slug) -> dict[str, object]:
    """Everything in the index."""
    metadata = slug.metadata
    return {
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


def as_json(slug: Slug) -> str:
    """``as_document`` as text."""
    return json.dumps(as_document(slug), indent=2)
