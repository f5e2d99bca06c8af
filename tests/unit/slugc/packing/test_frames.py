"""Layers of several frames: what is packed again, what is read back, what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd

from slugc.archive.compression import Compressor
from slugc.archive.scan import Entry
from slugc.archive.writer import tar_bytes
from slugc.packing import cuts, frames
from slugc.packing.frames import FrameMaker, NotWantedError
from slugc.packing.layers import plan_layers
from slugc.packing.slug_writer import WrittenSlug, write_slug
from slugc.slug import (
    Frame,
    Layer,
    Slug,
    SlugDamagedError,
    SlugFormat,
    SlugIndexError,
    read_slug,
    read_tar,
    verify_slug,
)
from slugc.slug_format import decode_trailer, encode_trailer, end_of
from slugc.slug_index import canonical, checksum_of, joined
from slugc.slug_verify import layer_chunks
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, SMALL, contents, make_tree

SITE = ".heroku/venv/lib/python3.13/site-packages"
FORMATS = pytest.mark.parametrize("kind", list(SlugFormat))


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


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule for apps of 100 MB, on one of 100 kB."""
    monkeypatch.setattr(cuts, "PART", 8 * 1024)
    monkeypatch.setattr(cuts, "SPLIT", 6)


@pytest.fixture
def store(open_dir: Path) -> Store:
    return Store(open_dir / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree", TREE)


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


def test_a_damaged_frame_is_named(tree: Path, store: Store) -> None:
    slug = pack(tree, store).slug
    layer = dependencies(slug)
    content = bytearray(slug.archive.read_bytes())
    at = layer.offset + layer.frames[0].size + 20
    content[at] ^= 1
    slug.archive.write_bytes(content)
    with pytest.raises(SlugDamagedError) as caught:
        verify_slug(slug)
    lines = caught.value.details.splitlines()
    wanted = layer.frames[1].digest
    assert lines[0] == (
        f"Frame 2 of {len(layer.frames)} of layer 'dependencies' should be {wanted},"
    )
    assert lines[1].startswith("    and is sha256:")
    assert len(lines) == 2
    with pytest.raises(SlugDamagedError):
        store.ensure_layers(slug)
    assert list((store.root / "layers").iterdir()) == []


def _other_frames(
    slug: Slug, change: Callable[[list[list[object]]], object], *, honest: bool
) -> Path:
    """The slug with a changed list of frames; ``honest`` makes the layer's digests fit it."""
    layers_end = sum(layer.size for layer in slug.metadata.layers)
    content = slug.archive.read_bytes()
    trailer = content[layers_end + len(end_of(slug.format)) :]
    index = decode_trailer(slug.format, trailer)
    assert index is not None
    document = json.loads(index)
    layer = document["layers"][1]
    change(layer["frames"])
    if honest:
        layer["diff_id"] = joined(f"sha256:{row[0]}" for row in layer["frames"])
        layer["digest"] = joined(f"sha256:{row[1]}" for row in layer["frames"])
    document["checksum"] = checksum_of(document)
    changed = encode_trailer(slug.format, canonical(document))
    slug.archive.write_bytes(content[: -len(trailer)] + changed)
    return slug.archive


def _set(row: int, column: int, value: object) -> Callable[[list[list[object]]], object]:
    return lambda rows: rows[row].__setitem__(column, value)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.clear(),
        lambda rows: rows.__delitem__(slice(1, None)),
        lambda rows: rows[0].pop(),
        lambda rows: rows[0].append(1),
        lambda rows: rows.append("frame"),
        _set(0, 0, "../x"),
        _set(0, 0, "A" * 64),
        _set(0, 1, "a" * 63),
        _set(0, 1, None),
        _set(0, 2, 0),
        _set(0, 2, -1),
        _set(0, 2, True),
        _set(0, 2, 1.5),
        _set(0, 3, 0),
    ],
)
def test_frames_that_are_none_are_refused(
    tree: Path, store: Store, change: Callable[[list[list[object]]], object]
) -> None:
    path = _other_frames(pack(tree, store).slug, change, honest=False)
    with pytest.raises(SlugIndexError) as caught:
        read_slug(path)
    assert caught.value.found == "'layers[1].frames' is not a list of frames"


@pytest.mark.parametrize(
    ("change", "honest"),
    [
        (_set(0, 0, "0" * 64), False),
        (_set(0, 1, "0" * 64), False),
        (_set(0, 2, 1), True),
        (_set(0, 3, 1), True),
        (lambda rows: rows.reverse(), False),
    ],
)
def test_frames_that_do_not_make_the_layer_are_refused(
    tree: Path, store: Store, change: Callable[[list[list[object]]], object], honest: bool
) -> None:
    path = _other_frames(pack(tree, store).slug, change, honest=honest)
    with pytest.raises(SlugIndexError) as caught:
        read_slug(path)
    assert caught.value.found == "'layers[1].frames' is not what the layer is made of"


def test_a_frame_that_unpacks_to_something_else_leaves_nothing(tree: Path, store: Store) -> None:
    path = _other_frames(pack(tree, store).slug, _set(1, 0, "0" * 64), honest=True)
    slug = read_slug(path)
    verify_slug(slug)  # its compressed bytes are what the index says
    with pytest.raises(SlugDamagedError) as caught:
        store.ensure_layers(slug)
    assert caught.value.details.startswith("Layer 'dependencies' should unpack to sha256:")
    names = [path.name for path in (store.root / "layers").iterdir()]
    assert dependencies(slug).diff_id.removeprefix("sha256:") not in names
    assert not [name for name in names if name.startswith(".")]


def test_parts_that_are_cut_elsewhere_than_stated_are_refused(tree: Path, store: Store) -> None:
    slug = pack(tree, store).slug
    layer = dependencies(slug)
    first, second = layer.frames[:2]
    moved = (
        replace(first, uncompressed_size=first.uncompressed_size + 512),
        replace(second, uncompressed_size=second.uncompressed_size - 512),
        *layer.frames[2:],
    )
    layers = tuple(
        replace(each, frames=moved) if each == layer else each for each in slug.metadata.layers
    )
    with pytest.raises(SlugDamagedError):
        store.ensure_layers(replace(slug, metadata=replace(slug.metadata, layers=layers)))


def test_reading_an_index_of_a_hundred_frames_takes_no_time(tree: Path, store: Store) -> None:
    """Every container start waits for it; asked of the processor's time, which is ours alone."""
    import time

    slug = pack(tree, store).slug
    rows = [[f"{n:064x}", f"{n:064x}", 1, 1] for n in range(100)]
    layer = dependencies(slug)
    path = _other_frames(
        slug,
        lambda found: found.__setitem__(
            slice(None),
            [
                *rows,
                ["f" * 64, "f" * 64, layer.size - 100, layer.uncompressed_size - 100],
            ],
        ),
        honest=True,
    )
    read_slug(path)
    started = time.process_time()
    for _ in range(10):
        read_slug(path)
    assert (time.process_time() - started) / 10 < 0.01
    assert path.stat().st_size - sum(x.size for x in slug.metadata.layers) < 32 * 1024
