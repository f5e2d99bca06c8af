"""`slugc list` and `slugc rm`: what was built, where it is, and how it is named."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import changed
from slugc.history import note_build, read_builds
from slugc.packing.slug_writer import write_slug
from slugc.slug import Slug
from slugc.store import Store
from slugc.upkeep import catalog
from slugc.upkeep.catalog import remove_slugs
from slugc.upkeep.catalog_errors import (
    AmbiguousSlugError,
    NoSuchSlugError,
    NotASlugFileError,
    SlugNotRemovedError,
)
from slugc.upkeep.units import shown_size
from tests.unit.slugc.trees import FACTS, make_tree
from tests.unit.slugc.upkeep.samples import record_of


def built(root: Path, name: str, **files: str) -> Slug:
    """A slug called ``name``, and its record."""
    tree = make_tree(root / f"tree-{name}", files or {"app.py": name})
    slug = write_slug(
        tree, root / f"{name}.slug", facts=changed(FACTS, name=name), store=Store(root / "store")
    ).slug
    note_build(root, record_of(slug, app=name))
    return slug


def test_the_list_of_no_slugs(tmp_path: Path) -> None:
    assert catalog.catalog(tmp_path) == ()
    assert catalog.as_table((), 0) == "No slugs were built yet: slugc build path/to/app\n"
    assert catalog.as_json(()) == "[]"


def test_the_list_newest_first_each_file_once(tmp_path: Path) -> None:
    for name in ("polls", "shop", "polls"):
        slug = built(tmp_path, name)
    (tmp_path / "shop.slug").unlink()
    found = catalog.catalog(tmp_path)
    assert [(slug.app, slug.present) for slug in found] == [("polls", True), ("shop", False)]
    size = shown_size(slug.archive.stat().st_size)
    first, second, third = catalog.as_table(found, time.time() + 7200).splitlines()
    assert first.split() == ["NAME", "SIZE", "STACK", "PYTHON", "PROCESS", "TYPES", "AGE", "SLUG"]
    assert second.split("  ")[0] == "polls"
    assert second.split() == [
        *("polls", *size.split(), "debian-12", "3.13.0", "web", "2h"),
        str(tmp_path / "polls.slug"),
    ]
    assert third.endswith(f"{tmp_path / 'shop.slug'} (gone)")


def test_the_list_as_json(tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    (document,) = json.loads(catalog.as_json(catalog.catalog(tmp_path)))
    assert document["checksum"] == slug.metadata.checksum
    assert document["slug"] == str(slug.archive)
    assert document["present"] is True
    assert document["process_types"] == ["web"]


def test_a_path_that_could_confuse_a_terminal_is_escaped(tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    note_build(tmp_path, changed(record_of(slug), archive="/apps/\x1b[31m\n.slug"))
    table = catalog.as_table(catalog.catalog(tmp_path), 0)
    assert "\\x1b[31m\\n.slug (gone)" in table
    assert len(table.splitlines()) == 3


@pytest.mark.parametrize("how", ["name", "path", "relative", "checksum", "digits"])
def test_a_slug_is_removed_by(how: str, tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    other = built(tmp_path, "shop")
    word = {
        "name": "polls",
        "path": str(slug.archive),
        "relative": "./polls.slug",
        "checksum": slug.metadata.checksum,
        "digits": slug.metadata.checksum[7:15],
    }[how]
    signatures = tmp_path / "polls.slug.intoto.jsonl"
    signatures.write_text("{}")
    (removed,) = remove_slugs(tmp_path, [word], cwd=tmp_path)
    assert removed.file_removed
    assert not slug.archive.exists()
    assert not signatures.exists()
    assert other.archive.exists()
    assert [record.app for record in read_builds(tmp_path)] == ["shop"]


def test_a_slug_nobody_noted_is_removed_by_its_path(tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    copy = tmp_path / "copy.slug"
    copy.write_bytes(slug.archive.read_bytes())
    remove_slugs(tmp_path, ["copy.slug"], cwd=tmp_path)
    assert not copy.exists()
    assert slug.archive.exists()
    assert len(read_builds(tmp_path)) == 1


def test_of_a_slug_that_is_gone_the_record_goes(tmp_path: Path) -> None:
    built(tmp_path, "polls").archive.unlink()
    (removed,) = remove_slugs(tmp_path, ["polls"], cwd=tmp_path)
    assert not removed.file_removed
    assert not removed.file_kept
    assert read_builds(tmp_path) == ()


def test_what_lies_in_a_slugs_place_is_kept(tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    slug.archive.write_text("my notes")
    (removed,) = remove_slugs(tmp_path, ["polls"], cwd=tmp_path)
    assert removed.file_kept
    assert slug.archive.read_text() == "my notes"
    assert read_builds(tmp_path) == ()


def refusal(root: Path, *words: str) -> SlugkitError:
    with pytest.raises(SlugkitError) as caught:
        remove_slugs(root, words, cwd=root)
    return caught.value


def test_unknown_names_are_told_with_the_nearest(tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    error = refusal(tmp_path, "polls", "pols")
    assert isinstance(error, NoSuchSlugError)
    assert error.exit_code == ExitCode.NO_INPUT
    assert error.text() == (
        "There is no slug 'pols'\n\n"
        "It is neither the name of a slug that was built here, nor a file, nor the\n"
        "beginning of a checksum (6 digits or more).\n\n"
        "Did you mean 'polls'?"
    )
    assert slug.archive.exists(), "all are removed, or none"


def test_unknown_names_without_any_near(tmp_path: Path) -> None:
    assert refusal(tmp_path, "zzz").resolution == "See which there are: slugc list"
    assert isinstance(refusal(tmp_path, ""), NoSuchSlugError)


def test_a_short_checksum_is_none(tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    assert isinstance(refusal(tmp_path, slug.metadata.checksum[7:11]), NoSuchSlugError)


def test_a_name_that_several_slugs_have(tmp_path: Path) -> None:
    slug = built(tmp_path, "polls")
    other = tmp_path / "other.slug"
    other.write_bytes(slug.archive.read_bytes())
    note_build(tmp_path, changed(record_of(slug, app="polls"), archive=str(other)))
    error = refusal(tmp_path, "polls")
    assert isinstance(error, AmbiguousSlugError)
    assert error.text() == (
        "'polls' could be any of 2 slugs\n\n"
        f"{other}\n{slug.archive}\n\n"
        "Nothing was removed. Give the path of the one that is meant."
    )


def test_other_files_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    error = refusal(tmp_path, "notes.txt")
    assert isinstance(error, NotASlugFileError)
    assert error.text() == (
        f"{tmp_path / 'notes.txt'} is not a slug\n\n"
        "Nothing was removed. Slugkit removes slugs only."
    )
    assert (tmp_path / "notes.txt").exists()


def test_a_slug_that_cannot_be_removed_keeps_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = built(tmp_path, "polls")

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    error = refusal(tmp_path, "polls")
    assert isinstance(error, SlugNotRemovedError)
    assert error.exit_code == ExitCode.PERMISSION
    assert error.text() == (
        f"The slug {slug.archive} cannot be removed\n\n"
        "Permission denied\n\n"
        "Its record is kept. Remove it as the user who may."
    )
    assert len(read_builds(tmp_path)) == 1
