"""A slug is whole or absent, the same for the same tree, and packs only what changed."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd

from buildpack.support.errors import ExitCode
from slugc.archive.limits import Limits
from slugc.archive.scan import TreeCrowdedError, TreeTooLargeError, UnpackableTreeError
from slugc.packing.slug_writer import SlugNotWrittenError, write_slug
from slugc.slug import SlugFormat, read_slug, read_tar, verify_slug
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, SMALL, contents, make_tree

FORMATS = pytest.mark.parametrize("kind", list(SlugFormat))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@FORMATS
def test_slug_is_a_plain_compressed_tar(tmp_path: Path, store: Store, kind: SlugFormat) -> None:
    """Unpacked by GNU tar from what any decoder of the format makes of the whole file."""
    tree = make_tree(tmp_path / "tree")
    slug = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store, format=kind).slug
    with (gzip.open if kind is SlugFormat.GZIP else zstd.open)(slug.archive) as file:
        plain = file.read()
    done = subprocess.run(("tar", "-x"), cwd=tmp_path, input=plain, capture_output=True, check=True)
    assert done.stderr == b""
    assert contents(tmp_path / "app") == contents(tree)
    assert b"".join(read_tar(slug)) == plain


@pytest.mark.skipif(shutil.which("zstd") is None, reason="`tar --zstd` needs the zstd program")
def test_tar_unpacks_a_slug_by_itself(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store)
    argv = ("tar", "--zstd", "-xf", "x.slug")
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=True)
    assert done.stderr == b""
    assert contents(tmp_path / "app") == contents(tree)


@FORMATS
def test_metadata_is_read_back_as_written(tmp_path: Path, store: Store, kind: SlugFormat) -> None:
    tree = make_tree(tmp_path / "tree")
    written = write_slug(tree, tmp_path / "x", facts=FACTS, store=store, format=kind).slug
    found = read_slug(tmp_path / "x")
    assert found == written
    assert found.format is kind
    metadata = found.metadata
    assert (metadata.name, metadata.stack) == ("hello", FACTS.stack)
    assert metadata.process_types == FACTS.process_types
    assert metadata.config_vars == FACTS.config_vars
    assert metadata.buildpacks == FACTS.buildpacks
    assert (metadata.python_version, metadata.commit) == ("3.13.0", "c0ffee")
    assert [layer.name for layer in metadata.layers] == ["runtime", "dependencies", "app"]
    verify_slug(found)


@FORMATS
def test_same_tree_gives_the_same_bytes(tmp_path: Path, kind: SlugFormat) -> None:
    """On another path, another day, under another umask, with its files made in another order."""
    first = make_tree(tmp_path / "one")
    before = os.umask(0o077)
    try:
        second = make_tree(tmp_path / "a/longer/path", dict(reversed(list(SMALL.items()))))
    finally:
        os.umask(before)
    for path in second.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    slugs = []
    for name, tree in (("s1", first), ("s2", second)):
        store, output = Store(tmp_path / name), tmp_path / f"{name}.slug"
        slugs.append(write_slug(tree, output, facts=FACTS, store=store, format=kind).slug)
    assert slugs[0].archive.read_bytes() == slugs[1].archive.read_bytes()


def test_unchanged_layers_are_not_packed_again(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    first = write_slug(tree, tmp_path / "1.slug", facts=FACTS, store=store)
    (tree / "app.py").write_text("print('changed')\n")
    second = write_slug(tree, tmp_path / "2.slug", facts=FACTS, store=store)
    assert first.reused == ()
    assert second.reused == ("runtime", "dependencies")
    before, after = first.slug.metadata.layers, second.slug.metadata.layers
    assert before[:2] == after[:2]
    assert before[2].diff_id != after[2].diff_id


def test_hard_linked_trees_are_recognised(tmp_path: Path, store: Store) -> None:
    """As a buildpack restores them from its cache: new directories, old inodes, a new ctime."""
    cached = make_tree(tmp_path / "cached")
    for number in (1, 2):
        for name in SMALL:
            target = tmp_path / str(number) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(cached / name)
    write_slug(tmp_path / "1", tmp_path / "1.slug", facts=FACTS, store=store)
    (tmp_path / "1").rename(tmp_path / "aside")
    again = write_slug(tmp_path / "2", tmp_path / "2.slug", facts=FACTS, store=store)
    assert again.reused == ("runtime", "dependencies", "app")


def test_same_slug_is_left_alone(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    output = tmp_path / "x.slug"
    write_slug(tree, output, facts=FACTS, store=store)
    inode = output.stat().st_ino
    assert write_slug(tree, output, facts=FACTS, store=store).unchanged
    assert output.stat().st_ino == inode


def test_other_facts_make_another_slug(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    first = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store).slug
    second = write_slug(tree, tmp_path / "x.slug", facts=replace(FACTS, commit=None), store=store)
    assert not second.unchanged
    assert second.slug.metadata.checksum != first.metadata.checksum


def test_damaged_output_is_written_again(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    output = tmp_path / "x.slug"
    write_slug(tree, output, facts=FACTS, store=store)
    good = output.read_bytes()
    output.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
    assert not write_slug(tree, output, facts=FACTS, store=store).unchanged
    assert output.read_bytes() == good


def test_damaged_frame_in_the_store_is_packed_again(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    first = write_slug(tree, tmp_path / "1.slug", facts=FACTS, store=store).slug
    frame = store.frame_file(first.metadata.layers[1].diff_id, ".zst")
    frame.write_bytes(frame.read_bytes()[:-1] + b"?")
    second = write_slug(tree, tmp_path / "2.slug", facts=FACTS, store=store)
    assert second.reused == ("runtime", "app")
    assert second.slug.archive.read_bytes() == first.archive.read_bytes()


def test_file_rewritten_in_place_is_seen(tmp_path: Path, store: Store) -> None:
    """Same inode, same size, written at once after packing: only the clock tells."""
    tree = make_tree(tmp_path / "tree")
    file = tree / ".heroku/venv/lib/flask.py"
    for number in range(5):
        with file.open("r+") as opened:
            opened.write(f"x = {number}\n")
        written = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store)
        assert f"x = {number}\n".encode() in b"".join(read_tar(written.slug))


def test_recycled_inode_with_a_set_time_is_seen(tmp_path: Path, store: Store) -> None:
    """A new file with an old one's number, size and mtime: what deleting and untarring makes."""
    tree = make_tree(tmp_path / "tree")
    file = tree / ".heroku/venv/lib/flask.py"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store)
    content = file.read_text().replace("x", "y")
    time.sleep(0.02)
    file.write_text(content)
    os.utime(file, (1_000_000_000, 1_000_000_000))
    written = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store)
    assert content.encode() in b"".join(read_tar(written.slug))


def test_hard_links_become_files(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree", {"a": "same"})
    (tree / "b").hardlink_to(tree / "a")
    slug = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store).slug
    assert b"".join(read_tar(slug)).count(b"same") == 2


def test_odd_names_survive(tmp_path: Path, open_dir: Path) -> None:
    store = Store(open_dir / "store")
    names = ["new\nline", "\udcff\udcfe", "-rf", " ", "é" * 100, "a" * 255, "\x1b[31m", "CON"]
    tree = make_tree(tmp_path / "tree", dict.fromkeys(names, "x"))
    deep = tree.joinpath(*(["d" * 60] * 10))
    deep.mkdir(parents=True)
    (deep / "f").write_text("x")
    (deep / "l").symlink_to("x" * 300)
    slug = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store).slug
    (layer,) = store.ensure_layers(slug)
    assert contents(layer) == contents(tree)


def test_everything_that_cannot_be_unpacked_is_named_at_once(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    os.mkfifo(tree / "pipe")
    deep = tree.joinpath(*(["d"] * 70))
    deep.mkdir(parents=True)
    with pytest.raises(UnpackableTreeError) as caught:
        write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store)
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.text() == (
        "The app holds files that cannot go into a slug\n\n"
        f"'{'/'.join(['d'] * 65)[:79]}…': it lies 65 directories deep, 64 are allowed\n"
        "'pipe': it is a FIFO\n\nRemove them, or name them in .slugignore.after."
    )
    assert not (tmp_path / "x.slug").exists()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/app/../etc", "it is a link that leaves the tree, to '../etc'"),
        ("../outside", "it is a link that leaves the tree, to '../outside'"),
        (
            "missing/../app.py",
            "it is a link through something that is not a directory of its layer",
        ),
    ],
)
def test_link_that_unpacking_would_refuse_is_refused(
    tmp_path: Path, store: Store, target: str, reason: str
) -> None:
    tree = make_tree(tmp_path / "tree")
    (tree / "link").symlink_to(target)
    with pytest.raises(UnpackableTreeError) as caught:
        write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store)
    assert [(each.name, each.reason) for each in caught.value.refusals] == [(b"link", reason)]


def test_link_loops_are_just_links(tmp_path: Path, open_dir: Path) -> None:
    store = Store(open_dir / "store")
    tree = make_tree(tmp_path / "tree", {"a/f": "x"})
    (tree / "self").symlink_to("self")
    (tree / "here").symlink_to(".")
    (tree / "a/up").symlink_to("..")
    slug = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store).slug
    (layer,) = store.ensure_layers(slug)
    assert contents(layer) == contents(tree)


def test_too_large_app_names_its_biggest_directories(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree", {"media/film": "x" * 3_000_000, "a.py": "x"})
    with pytest.raises(TreeTooLargeError) as caught:
        write_slug(
            tree, tmp_path / "x.slug", facts=FACTS, store=store, limits=Limits(unpacked=1_000_000)
        )
    assert caught.value.text() == (
        "The app is too large for a slug: 3,000,001 bytes, 1,000,000 are allowed\n\n"
        "The biggest directories:\n"
        "       3.0 MB  media\n"
        "       0.0 MB  .\n\n"
        "Name what the app does not need at run time in .slugignore."
    )


def test_of_more_files_than_allowed_the_rest_is_not_listed(tmp_path: Path, store: Store) -> None:
    """A build may leave millions, in one directory or below many."""
    tree = make_tree(tmp_path / "tree", {f"cache/{number}": "" for number in range(20)})
    make_tree(tree / "a/b/c/d", {str(number): "" for number in range(9)})
    with pytest.raises(TreeCrowdedError) as caught:
        write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store, limits=Limits(entries=18))
    assert caught.value.text() == (
        "The app is too large for a slug: it has more than 18 files and directories\n\n"
        "Most of those seen so far are in:\n"
        "        10  a/b/c\n"
        "         5  cache\n"
        "         2  .\n"
        "         1  a\n"
        "         1  a/b\n\n"
        "Name what the app does not need at run time in .slugignore."
    )


def test_packed_limit_holds(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    with pytest.raises(TreeTooLargeError) as caught:
        write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store, limits=Limits(packed=100))
    assert caught.value.what == "packed bytes"
    assert not (tmp_path / "x.slug").exists()


def test_output_that_cannot_be_written_is_an_error(tmp_path: Path, store: Store) -> None:
    tree = make_tree(tmp_path / "tree")
    (tmp_path / "x.slug").mkdir()
    with pytest.raises(SlugNotWrittenError) as caught:
        write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store)
    assert caught.value.exit_code is ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"The slug {tmp_path}/x.slug cannot be written\n\n"
        "Is a directory\n\n"
        "Give another place with -o, or make room there."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "tree", "x.slug"]
