"""What the last build packed saves work, and never decides what is in a slug."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slugc.archive.limits import Limits
from slugc.archive.scan import TreeCrowdedError
from slugc.packing import layer_memory, preparation
from slugc.packing.compared import Compared
from slugc.packing.frames import FileIdentity, file_identity
from slugc.packing.layer_memory import LayerMemory
from slugc.packing.preparation import Preparation, find_present, prepare_packing
from slugc.packing.slug_writer import SlugNotWrittenError, WrittenSlug, write_slug
from slugc.slug import SlugFormat, verify_slug
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, make_tree

MODULE = ".heroku/venv/lib/flask.py"


class App:
    """One app's space, built again and again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = make_tree(root / "tree")
        self.store = Store(root / "store")
        self.output = root / "out" / "x.slug"
        self.output.parent.mkdir()
        self.settle()

    def settle(self) -> None:
        """Let the tick of the last change pass, as the phases of a real build do."""
        time.sleep(0.03)

    def prepare(self) -> Preparation:
        return prepare_packing(self.output, self.root / "seals", self.store, SlugFormat.ZSTD)

    def build(self, prepared: Preparation | None = None) -> WrittenSlug:
        return write_slug(
            self.tree,
            self.output,
            facts=FACTS,
            store=self.store,
            prepared=prepared or self.prepare(),
        )

    def known(self) -> set[str]:
        memory = LayerMemory(self.root / "seals", store=self.store, format=SlugFormat.ZSTD)
        return set(memory.unchanged(self.tree))

    def fresh(self) -> bytes:
        """The slug of the tree as it is now, from a store that knows nothing."""
        output = self.root / "fresh.slug"
        write_slug(self.tree, output, facts=FACTS, store=Store(self.root / "fresh-store"))
        return output.read_bytes()


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def test_unchanged_layers_are_known_and_the_slug_is_the_same(app: App) -> None:
    first = app.build().slug.archive.read_bytes()
    assert app.known() == {"runtime", "dependencies"}
    app.output.unlink()
    assert app.build().reused == ("runtime", "dependencies", "app")
    assert app.output.read_bytes() == first == app.fresh()


def test_a_slug_older_than_the_source_is_begun_anew_and_left_alone_if_it_is_the_same(
    app: App,
) -> None:
    app.build()
    made = app.output.stat()
    place = (app.output, app.root / "seals", app.store, SlugFormat.ZSTD)
    assert prepare_packing(*place, newest=made.st_mtime_ns - 1).draft is None
    prepared = prepare_packing(*place, newest=made.st_mtime_ns + 1)
    assert prepared.present is None
    assert prepared.draft is not None
    assert app.build(prepared).unchanged
    assert app.output.stat().st_ino == made.st_ino


def test_layers_moved_into_another_tree_are_known(app: App) -> None:
    app.build()
    previous = app.tree.rename(app.root / "previous")
    make_tree(app.tree, {"Procfile": "web: other\n", ".heroku/x": ""})
    for name in ("python", "venv"):
        (previous / ".heroku" / name).rename(app.tree / ".heroku" / name)
    assert app.known() == {"runtime", "dependencies"}
    assert app.build().slug.archive.read_bytes() == app.fresh()


def _write_with_old_times(tree: Path) -> None:
    path = tree / MODULE
    times = path.stat()
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _link_elsewhere(tree: Path) -> None:
    (tree / ".heroku" / "venv").rename(tree / "elsewhere")
    (tree / ".heroku" / "venv").symlink_to("../elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        _write_with_old_times,
        _link_elsewhere,
        lambda tree: (tree / MODULE).unlink(),
        lambda tree: (tree / MODULE).chmod(0o755),
        lambda tree: (tree / ".heroku/venv/new.py").touch(),
        lambda tree: (tree / ".heroku/venv/lib/new").mkdir(),
        lambda tree: (tree / ".venv").mkdir(),
        lambda tree: (tree / ".heroku/venv").rename(tree / "moved"),
    ],
)
def test_a_changed_layer_is_packed_as_it_is(app: App, change: Callable[[Path], object]) -> None:
    app.build()
    change(app.tree)
    app.settle()
    assert "dependencies" not in app.known()
    written = app.build()
    assert app.output.read_bytes() == app.fresh()
    assert "runtime" in written.reused


def test_a_change_while_packing_was_prepared_is_seen(app: App) -> None:
    """Preparation runs beside build code, which may change anything afterwards."""
    app.build()
    app.output.unlink()
    prepared = app.prepare()
    assert prepared.draft is not None
    _write_with_old_times(app.tree)
    app.build(prepared)
    assert app.output.read_bytes() == app.fresh()


def test_a_draft_that_fits_becomes_the_slug(app: App) -> None:
    app.build()
    expected = app.output.read_bytes()
    app.output.unlink()
    prepared = app.prepare()
    assert prepared.draft is not None
    written = app.build(prepared)
    verify_slug(written.slug)
    assert app.output.read_bytes() == expected
    assert app.output.stat().st_mode & 0o7777 == 0o644
    assert [path.name for path in app.output.parent.iterdir()] == ["x.slug"]


def test_a_draft_that_is_not_used_leaves_nothing(app: App) -> None:
    app.build()
    app.output.unlink()
    prepared = app.prepare()
    assert prepared.draft is not None
    prepared.draft.close()
    assert list(app.output.parent.iterdir()) == []


def test_an_unchanged_slug_is_left_alone(app: App) -> None:
    app.build()
    before = file_identity(app.output)
    prepared = app.prepare()
    assert prepared.draft is None
    assert app.build(prepared).unchanged
    assert file_identity(app.output) == before


def test_a_slug_written_to_after_it_was_looked_at_is_written_anew(app: App) -> None:
    app.build()
    expected = app.output.read_bytes()
    prepared = app.prepare()
    app.output.write_bytes(b"x" + expected[1:])
    assert not app.build(prepared).unchanged
    assert app.output.read_bytes() == expected


def _frame(app: App, layer: int) -> Path:
    diff_id = app.build().slug.metadata.layers[layer].diff_id
    return app.store.frame_file(diff_id, SlugFormat.ZSTD.suffix)


def test_frames_and_a_slug_that_were_compared_are_not_read_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.build()
    app.settle()
    app.build()
    monkeypatch.setattr(layer_memory, "is_whole", pytest.fail)
    monkeypatch.setattr(preparation, "verify_slug", pytest.fail)
    assert app.build().unchanged


def test_a_slug_damaged_after_it_was_compared_is_written_anew(app: App) -> None:
    whole = app.build().slug.archive.read_bytes()
    app.settle()
    app.build()
    before = app.output.stat()
    with app.output.open("r+b") as file:
        file.seek(20)
        file.write(b"damaged")
    os.utime(app.output, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not app.build().unchanged
    assert app.output.read_bytes() == whole


def test_another_slug_in_its_place_while_one_is_compared_is_not_taken_for_it(app: App) -> None:
    class Swapping(Compared):
        def identity(
            self, file: Path, digest: str, is_whole: Callable[[], bool]
        ) -> FileIdentity | None:
            file.with_name("y").write_bytes(file.read_bytes())
            file.with_name("y").replace(file)
            return super().identity(file, digest, is_whole)

    app.build()
    assert find_present(app.output, Swapping()) is None
    assert find_present(app.output, Compared()) is not None


def test_what_came_to_be_there_and_is_no_file_stays(app: App) -> None:
    app.build()
    app.output.unlink()
    prepared = app.prepare()
    assert prepared.draft is not None
    os.mkfifo(app.output)
    with pytest.raises(SlugNotWrittenError, match="cannot be written"):
        app.build(prepared)
    assert app.output.is_fifo()


@pytest.mark.parametrize("damage", [lambda f: f.unlink(), lambda f: f.write_bytes(b"damaged")])
def test_a_frame_that_is_not_whole_is_made_again(
    app: App, damage: Callable[[Path], object]
) -> None:
    damage(_frame(app, 1))
    assert app.known() == {"runtime"}
    app.output.unlink()
    app.build()
    assert app.output.read_bytes() == app.fresh()


def test_a_frame_replaced_after_it_was_compared_is_not_trusted(app: App) -> None:
    frame = _frame(app, 1)
    app.output.unlink()
    prepared = app.prepare()
    frame.write_bytes(b"damaged")
    assert set(prepared.memory.unchanged(app.tree)) == {"runtime"}


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[]\n", b"no note", b'{"salt": 1}\n'])
def test_an_illegible_note_means_a_scan(app: App, content: bytes) -> None:
    app.build()
    (app.root / "seals" / "dependencies").write_bytes(content)
    assert app.known() == {"runtime"}
    app.output.unlink()
    assert app.build().slug.archive.read_bytes() == app.fresh()


def test_a_note_that_was_cut_means_a_scan(app: App) -> None:
    app.build()
    note = app.root / "seals" / "dependencies"
    note.write_bytes(note.read_bytes()[:-1])
    assert app.known() == {"runtime"}


def test_a_note_of_another_packer_means_a_scan(app: App) -> None:
    app.build()
    other = LayerMemory(app.root / "seals", store=app.store, format=SlugFormat.GZIP)
    assert other.unchanged(app.tree) == {}


def test_what_changed_a_moment_ago_is_not_noted(app: App) -> None:
    (app.tree / MODULE).touch()
    (app.tree / ".heroku/venv/lib/late.py").touch()
    os.utime(app.tree / MODULE)
    app.build()
    assert "dependencies" not in app.known()


def test_known_layers_count_towards_the_limits(app: App) -> None:
    limits = Limits(entries=25)

    def build() -> LayerMemory:
        memory = LayerMemory(
            app.root / "seals", store=app.store, format=SlugFormat.ZSTD, limits=limits
        )
        known = Preparation(memory=memory)
        write_slug(
            app.tree, app.output, facts=FACTS, store=app.store, limits=limits, prepared=known
        )
        return memory

    build()
    assert build().unchanged(app.tree).keys() == {"runtime", "dependencies"}
    (app.tree / "more").mkdir()
    for number in range(20):
        (app.tree / "more" / str(number)).touch()
    with pytest.raises(TreeCrowdedError, match="more than 25 files"):
        build()
