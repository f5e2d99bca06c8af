"""Layers of several frames: what is packed again, and what is read back."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from backports import zstd

from slugc.archive.compression import Compressor
from slugc.archive.scan import Entry
from slugc.archive.writer import tar_bytes
from slugc.packing import frames
from slugc.packing.frames import FrameMaker, NotWantedError
from slugc.packing.layers import plan_layers
from slugc.packing.slug_writer import write_slug
from slugc.slug import Frame, SlugFormat, read_slug, read_tar, verify_slug
from slugc.slug_index import joined
from slugc.slug_verify import layer_chunks
from slugc.store import Store
from tests.unit.slugc.packing.parts import SITE, add, dependencies, distribution, pack
from tests.unit.slugc.trees import FACTS, contents

pytestmark = pytest.mark.usefixtures("small_parts")
FORMATS = pytest.mark.parametrize("kind", list(SlugFormat))


@FORMATS
def test_a_layer_of_several_frames_reads_as_one(tree: Path, store: Store, kind: SlugFormat) -> None:
    slug = pack(tree, store, kind=kind).slug
    assert read_slug(slug.archive) == slug
    verify_slug(slug)
    layer = dependencies(slug)
    plain = b"".join(layer_chunks(slug, layer))
    assert len(plain) == layer.uncompressed_size
    at = 0
    for frame in layer.frames:
        part = plain[at : at + frame.uncompressed_size]
        assert f"sha256:{hashlib.sha256(part).hexdigest()}" == frame.diff_id
        at += frame.uncompressed_size
    assert at == len(plain)


@FORMATS
def test_python_reads_every_file_of_it_once(tree: Path, store: Store, kind: SlugFormat) -> None:
    slug = pack(tree, store, kind=kind).slug
    content = slug.archive.read_bytes()
    plain = (gzip if kind is SlugFormat.GZIP else zstd).decompress(content)
    assert plain == b"".join(read_tar(slug))
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        found = [member.name for member in archive if not member.isdir()]
    expected = [path for path in tree.rglob("*") if path.is_symlink() or path.is_file()]
    assert sorted(found) == sorted(f"./app/{path.relative_to(tree)}" for path in expected)


@pytest.mark.skipif(not shutil.which("zstd"), reason="needs the program zstd")
@pytest.mark.parametrize(("kind", "flag"), [(SlugFormat.ZSTD, "--zstd"), (SlugFormat.GZIP, "-z")])
def test_tar_unpacks_it(
    tree: Path, store: Store, tmp_path: Path, kind: SlugFormat, flag: str
) -> None:
    slug = pack(tree, store, kind=kind).slug
    (tmp_path / "out").mkdir()
    argv = ["tar", flag, "-xf", str(slug.archive), "-C", str(tmp_path / "out")]
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert contents(tmp_path / "out" / "app") == contents(tree)


def test_the_store_unpacks_it_as_it_was(tree: Path, store: Store) -> None:
    layers = store.ensure_layers(pack(tree, store).slug)
    found: dict[str, bytes | str] = {}
    for layer in layers:
        found |= contents(layer)
    assert found == contents(tree)


def test_digests_of_a_layer_are_those_of_the_list_of_its_frames(tree: Path, store: Store) -> None:
    layer = dependencies(pack(tree, store).slug)
    lines = "".join(f"{frame.diff_id}\n" for frame in layer.frames)
    assert layer.diff_id == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
    assert layer.digest == joined(frame.digest for frame in layer.frames)
    assert layer.size == sum(frame.size for frame in layer.frames)


def test_a_layer_of_one_frame_has_the_frames_digests(tree: Path, store: Store) -> None:
    slug = pack(tree, store).slug
    layer = slug.metadata.layers[-1]
    content = slug.archive.read_bytes()[layer.offset : layer.offset + layer.size]
    assert layer.frames == ()
    assert layer.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert [frame.digest for frame in layer.parts] == [layer.digest]
    plain = hashlib.sha256(zstd.decompress(content)).hexdigest()
    assert layer.diff_id == f"sha256:{plain}"


def test_one_distribution_more_is_packed_and_nothing_of_the_others(
    tree: Path, store: Store
) -> None:
    before = pack(tree, store).slug
    files = {f.name: f.stat().st_ino for f in (store.root / "frames").iterdir()}
    add(tree, distribution("humanize"))
    written = pack(tree, store, "2.slug")
    old, new = dependencies(before), dependencies(written.slug)
    kept = {frame.digest for frame in old.frames} & {frame.digest for frame in new.frames}
    # the new package, and the group of small parts that its dist-info belongs to
    assert len(new.frames) - len(kept) <= 2
    assert {frame.digest for frame in new.frames} - kept == written.packed
    assert written.reused == ("runtime", "app")
    now = {f.name: f.stat().st_ino for f in (store.root / "frames").iterdir()}
    assert now.items() >= files.items()
    assert len(now) == len(files) + len(written.packed)


def test_unchanged_files_are_not_opened(
    tree: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads them cannot have known that they did not change."""
    pack(tree, store)
    add(tree, distribution("humanize"))
    opened: list[bytes] = []

    def watched(tree: Path, entries: Sequence[Entry], *, root: bool) -> Iterator[bytes]:
        opened.extend(b"/".join(entry.path) for entry in entries)
        return tar_bytes(tree, entries, root=root)

    monkeypatch.setattr("slugc.packing.frames.tar_bytes", watched)
    pack(tree, store, "2.slug")
    assert any(b"/humanize/" in name for name in opened)
    for package in (b"/django/", b"/flask/", b"/redis/"):
        assert not [name for name in opened if package in name]


def test_a_removed_distribution_leaves_the_others_as_they_were(tree: Path, store: Store) -> None:
    old = dependencies(pack(tree, store).slug)
    for path in (tree / SITE).glob("flask*"):
        shutil.rmtree(path)
    written = pack(tree, store, "2.slug")
    new = dependencies(written.slug)
    assert len({x.digest for x in new.frames} - {x.digest for x in old.frames}) <= 1


def test_the_bytes_do_not_depend_on_what_the_store_knew(
    tree: Path, store: Store, open_dir: Path
) -> None:
    pack(tree, store)
    add(tree, distribution("humanize"))
    second = pack(tree, store, "2.slug").slug.archive.read_bytes()
    assert second == pack(tree, Store(open_dir / "other"), "3.slug").slug.archive.read_bytes()


def test_a_frame_that_was_damaged_in_the_store_alone_is_made_again(
    tree: Path, store: Store
) -> None:
    slug = pack(tree, store).slug
    frame = dependencies(slug).frames[2]
    store.frame_file(frame.diff_id, ".zst").write_bytes(b"damaged")
    again = pack(tree, store, "2.slug")
    assert again.packed == {frame.digest}
    assert again.slug.archive.read_bytes() == slug.archive.read_bytes()


def test_a_huge_frame_is_made_by_several_threads_one_at_a_time(
    tree: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_HUGE", 1)
    running, most = 0, 0
    guard = threading.Lock()
    original = FrameMaker._compress

    def counted(maker: FrameMaker, part: frames._Part, compressor: Compressor) -> Frame:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        made = original(maker, part, compressor)
        with guard:
            running -= 1
        return made

    monkeypatch.setattr(FrameMaker, "_compress", counted)
    verify_slug(pack(tree, store).slug)
    assert most == 1


def test_what_nobody_wants_any_more_is_not_packed(tree: Path, store: Store) -> None:
    from slugc.archive.limits import DEFAULT_LIMITS
    from slugc.archive.scan import scan_tree

    store.create()
    maker = FrameMaker(store, tree, SlugFormat.ZSTD, wanted=lambda: not maker.made)
    with pytest.raises(NotWantedError):
        maker.ensure(plan_layers(scan_tree(tree, DEFAULT_LIMITS)))
    assert 1 <= len(maker.made) <= 2


def test_who_watches_is_told_how_many_bytes_were_packed(tree: Path, store: Store) -> None:
    told: list[int] = []
    store.create()

    slug = write_slug(
        tree, tree.parent / "x.slug", facts=FACTS, store=store, watch=told.append
    ).slug

    assert max(told) == sum(layer.uncompressed_size for layer in slug.metadata.layers)
