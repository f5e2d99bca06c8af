"""Layers appear whole, verified, once, and owned by nobody who matters."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.locks import locked
from slugc.packing.slug_writer import write_slug
from slugc.privileges import DataDirError, hand_over, run_identity
from slugc.slug import Layer, Slug, SlugDamagedError, read_slug
from slugc.slug_format import encode_trailer, end_of
from slugc.slug_index import encode_index
from slugc.store import PARTS, Store
from slugc.unpack import LayersConflictError
from tests.unit.slugc.trees import FACTS, contents, make_tree


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    tree = make_tree(tmp_path / "tree")
    return write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=Store(tmp_path / "s")).slug


def test_layers_come_out_in_order_and_whole(slug: Slug, tmp_path: Path, open_dir: Path) -> None:
    layers = Store(open_dir / "store").ensure_layers(slug)
    assert [layer.name for layer in layers] == [
        layer.diff_id.removeprefix("sha256:") for layer in slug.metadata.layers
    ]
    together = {key: value for layer in layers for key, value in contents(layer).items()}
    assert together == contents(tmp_path / "tree")


def test_layers_belong_to_the_unprivileged_user(slug: Slug, open_dir: Path) -> None:
    for layer in Store(open_dir / "store").ensure_layers(slug):
        for path in (layer, *layer.rglob("*")):
            found = path.lstat()
            assert (found.st_uid, found.st_gid) == (run_identity().uid, run_identity().gid)
            if path.is_file() and not path.is_symlink():
                assert stat.S_IMODE(found.st_mode) in {0o644, 0o755}


def test_second_time_nothing_is_read(slug: Slug, open_dir: Path) -> None:
    store = Store(open_dir / "store")
    first = store.ensure_layers(slug)
    slug.archive.unlink()
    assert store.ensure_layers(slug) == first


def test_damage_is_found_before_a_byte_is_unpacked(slug: Slug, open_dir: Path) -> None:
    content = bytearray(slug.archive.read_bytes())
    content[slug.metadata.layers[-1].offset + 20] ^= 1
    slug.archive.write_bytes(content)
    store = Store(open_dir / "store")
    with pytest.raises(SlugDamagedError):
        store.ensure_layers(read_slug(slug.archive))
    assert list((store.root / "layers").iterdir()) == []


def test_wrong_diff_id_leaves_nothing(slug: Slug, open_dir: Path) -> None:
    layers = list(slug.metadata.layers)
    layers[0] = replace(layers[0], diff_id="sha256:" + "0" * 64)
    forged = _with_layers(slug, tuple(layers))
    store = Store(open_dir / "store")
    with pytest.raises(SlugDamagedError) as caught:
        store.ensure_layers(forged)
    assert caught.value.details.startswith("Layer 'runtime' should unpack to sha256:0000")
    assert list((store.root / "layers").iterdir()) == []


def test_layers_that_overlap_are_refused(slug: Slug, tmp_path: Path, open_dir: Path) -> None:
    """A second layer's link in place of a directory could lead the first one's links out."""
    tree = make_tree(tmp_path / "other", {"app.py": "x"})
    other = write_slug(tree, tmp_path / "o.slug", facts=FACTS, store=Store(tmp_path / "s")).slug
    first, second = slug.metadata.layers[-1], other.metadata.layers[-1]
    frames = [_frame(slug, first), _frame(other, second)]
    layers = (replace(first, offset=0), replace(second, offset=first.size))
    trailer = encode_trailer(slug.format, encode_index(FACTS, layers))
    path = tmp_path / "both.slug"
    path.write_bytes(b"".join(frames) + end_of(slug.format) + trailer)
    with pytest.raises(LayersConflictError) as caught:
        Store(open_dir / "store").ensure_layers(read_slug(path))
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.text() == (
        f"The layers of the slug {path} do not fit together\n\n"
        "More than one of them holds 'app.py'.\n\n"
        "Slugkit does not write such slugs. Build it again with `slugc build`."
    )


def test_many_processes_unpack_one_slug_once(slug: Slug, open_dir: Path) -> None:
    store = Store(open_dir / "store")
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=store.ensure_layers, args=(slug,)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    names = sorted(path.name for path in (store.root / "layers").iterdir())
    assert names == sorted(x.diff_id.removeprefix("sha256:") for x in slug.metadata.layers)


def test_killed_at_any_moment_it_leaves_whole_layers_or_none(
    tmp_path: Path, open_dir: Path
) -> None:
    files = {f".heroku/python/lib/{number}.py": "x" * 5000 for number in range(800)}
    tree = make_tree(tmp_path / "tree", {"app.py": "x", **files})
    slug = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=Store(tmp_path / "s")).slug
    store = Store(open_dir / "store")
    for number in range(12):
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            store.ensure_layers(slug)
            os._exit(0)
        os.setpgid(child, child)
        time.sleep(0.004 * number)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for layer in slug.metadata.layers:
            directory = store.layer_dir(layer.diff_id)
            files_there = sum(path.is_file() for path in directory.rglob("*"))
            assert files_there == (_files_of(layer) if directory.exists() else 0)
        shutil.rmtree(store.root / "layers", ignore_errors=True)
    layers = store.ensure_layers(slug)
    assert sum(path.is_file() for layer in layers for path in layer.rglob("*")) == 801


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives its directories away")
def test_directory_a_killed_process_did_not_give_away_is_given_now(
    slug: Slug, open_dir: Path
) -> None:
    store = Store(open_dir / "store")
    store.create()
    judged = store.root / "judged"
    judged.rmdir()
    judged.mkdir(mode=0o700)
    store.ensure_layers(slug)
    assert (judged.stat().st_uid, judged.stat().st_mode & 0o777) == (run_identity().uid, 0o755)


def test_leftover_of_a_killed_process_is_removed(slug: Slug, open_dir: Path) -> None:
    store = Store(open_dir / "store")
    store.create()
    target = store.layer_dir(slug.metadata.layers[0].diff_id)
    leftover = target.parent / f".{target.name}.1.abcd.tmp"
    leftover.mkdir()
    (leftover / "half").write_text("x")
    os.chown(leftover, run_identity().uid, run_identity().gid)
    store.ensure_layers(slug)
    assert not leftover.exists()


def test_half_packed_frame_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.create()
    left = store.root / "frames/.1.abcd.tmp"
    left.write_bytes(b"x")
    with Store(store.root).temporary_frame() as theirs, store.temporary_frame():
        assert not left.exists()
        assert theirs.exists()


def test_a_half_packed_frame_that_is_pruned_while_it_is_swept_fails_no_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    store.create()
    left = store.root / "frames/.1.abcd.tmp"
    left.write_bytes(b"x")

    @contextlib.contextmanager
    def pruned_meanwhile(path: Path, *, timeout: float) -> Iterator[None]:
        with locked(path, timeout=timeout):
            path.unlink()
            yield

    monkeypatch.setattr("slugc.store.locked", pruned_meanwhile)
    with store.temporary_frame() as frame:
        assert [*frame.parent.iterdir()] == [frame]


def test_a_frame_that_is_swept_before_it_is_locked_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two begin their first frames at once, and one of them sweeps."""
    store = Store(tmp_path / "store")
    store.create()
    lock = fcntl.flock
    swept: list[Path] = []

    def swept_once(descriptor: int, operation: int) -> None:
        if not swept:
            swept.extend((store.root / "frames").iterdir())
            swept[0].unlink()
        lock(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", swept_once)
    with store.temporary_frame() as frame:
        assert swept == [frame]
        frame.write_bytes(b"x")
        frame.replace(store.root / "frames/whole")


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives its directories away")
def test_what_root_writes_by_name_lies_where_nobody_else_can_put_a_link(tmp_path: Path) -> None:
    """Also in a store of an earlier version, which gave all of its directories away."""
    store = Store(tmp_path / "store")
    everything = {path.name: path for path in (store.root, *(store.root / x for x in PARTS))}
    for path in everything.values():
        path.mkdir()
        hand_over(path)
    store.create()
    owners = {name: path.stat().st_uid for name, path in everything.items()}
    given = {name for name, owner in owners.items() if owner == run_identity().uid}
    assert given == {"layers", "judged"}
    assert {owner for name, owner in owners.items() if name not in given} == {0}


@pytest.mark.skipif(os.getuid() != 0, reason="only root drops to another user")
def test_store_that_the_unprivileged_user_cannot_reach(slug: Slug, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(DataDirError) as caught:
        Store(tmp_path / "store").ensure_layers(slug)
    assert caught.value.text() == (
        f"Slugkit cannot use its data directory {tmp_path}/store\n\n"
        f"Apps run as uid 1879050000, not as root, and {tmp_path}\n"
        "lets nobody but its owner through.\n\n"
        "Make it writable, or set SLUGKIT_HOME to a directory that is."
    )


def _files_of(layer: Layer) -> int:
    return 800 if layer.name == "runtime" else 1


def _frame(slug: Slug, layer: Layer) -> bytes:
    return slug.archive.read_bytes()[layer.offset : layer.offset + layer.size]


def _with_layers(slug: Slug, layers: tuple[Layer, ...]) -> Slug:
    frames = slug.archive.read_bytes()[: sum(layer.size for layer in layers)]
    trailer = encode_trailer(slug.format, encode_index(FACTS, layers))
    slug.archive.write_bytes(frames + end_of(slug.format) + trailer)
    return read_slug(slug.archive)
