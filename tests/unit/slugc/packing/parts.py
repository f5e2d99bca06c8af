"""An app of many packages, packed in small parts, and its layer of dependencies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slugc.packing.slug_writer import WrittenSlug, write_slug
from slugc.slug import Layer, Slug, SlugFormat
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, SMALL

SITE = ".heroku/venv/lib/python3.13/site-packages"


def distribution(name: str, count: int = 4) -> dict[str, str]:
    modules = {f"{SITE}/{name}/{n}.py": f"{name} {n}\n" * 300 for n in range(count)}
    return {**modules, f"{SITE}/{name}-1.0.dist-info/RECORD": f"{name}\n"}


TREE: Mapping[str, str] = {
    **SMALL,
    **distribution("django", 12),
    **distribution("flask"),
    **distribution("celery"),
    **distribution("redis"),
    **distribution("six", 1),
}


def add(tree: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(content)


def pack(
    tree: Path, store: Store, name: str = "x.slug", kind: SlugFormat = SlugFormat.ZSTD
) -> WrittenSlug:
    return write_slug(tree, tree.parent / name, facts=FACTS, store=store, format=kind)


def dependencies(slug: Slug) -> Layer:
    (layer,) = [layer for layer in slug.metadata.layers if layer.name == "dependencies"]
    assert len(layer.frames) > 3
    return layer
