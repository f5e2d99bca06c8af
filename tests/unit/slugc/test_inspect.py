"""What slugc inspect prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slugc import inspect as inspection
from slugc.procfile import ProcessType
from slugc.slug import BuildpackRecord, Slug, SlugFacts, read_slug
from slugc.slug_index import name_from
from slugc.slug_writer import write_slug
from slugc.stack import Stack
from slugc.store import Store


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "app.py").write_text("x = 1\n")
    record = BuildpackRecord(name="Python", version="1", digest="sha256:" + "a" * 64, source="s")
    facts = SlugFacts(
        name="",
        stack=Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64"),
        buildpacks=(record,),
        process_types={ProcessType("web"): "serve"},
        config_vars={"DEBUG": "0"},
        python_version="3.13.0",
    )
    write_slug(
        tmp_path / "tree", tmp_path / "polls.slug", facts=facts, store=Store(tmp_path / "store")
    )
    return read_slug(tmp_path / "polls.slug")


def test_summary(slug: Slug) -> None:
    (layer,) = slug.metadata.layers

    assert inspection.summary(slug) == (
        f"Slug:      {slug.archive} ({slug.archive.stat().st_size:,} bytes)\n"
        f"Checksum:  {slug.metadata.checksum}\n"
        "Name:      polls\n"
        "Stack:     debian-12 (glibc 2.36, x86_64)\n"
        "Python:    3.13.0\n"
        "Commit:    -\n"
        "Buildpacks:\n  Python 1 (s, sha256:aaaaaaaaaaaa)\n"
        "Process types:\n  web: serve\n"
        f"Layers:\n  app           {layer.size:>12,} bytes,"
        f" {layer.uncompressed_size:>13,} unpacked\n"
        "Default config vars:\n  DEBUG\n"
    )


def test_procfile(slug: Slug) -> None:
    assert inspection.as_procfile(slug) == "web: serve\n"


def test_json(slug: Slug) -> None:
    document = json.loads(inspection.as_json(slug))

    assert document["process_types"] == {"web": "serve"}
    assert document["config_vars"] == {"DEBUG": "0"}
    assert document["layers"][0]["name"] == "app"
    assert document["checksum"] == slug.metadata.checksum


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("polls.slug", "polls"),
        ("polls.tar.gz", "polls"),
        ("My App!.slug", "My-App"),
        (".slug", "app"),
        ("x" * 80 + ".slug", "x" * 63),
    ],
)
def test_an_app_nobody_named_is_called_as_its_file(file: str, name: str) -> None:
    assert name_from(Path("/srv") / file) == name
