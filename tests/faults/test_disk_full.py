"""No room: an error in our words, nothing half-written, and it works once there is room."""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Callable
from pathlib import Path

from slugc.packing.slug_writer import SlugNotWrittenError, write_slug
from slugc.slug import Slug, read_slug
from slugc.store import Store, StoreNotWritableError
from tests.unit.slugc.trees import FACTS, contents, make_tree


def outcome(function: Callable[[], object], *, limit: int) -> str:
    """What ``function`` raises in a process whose files may not grow past ``limit`` bytes.

    To the code that writes it is what a full disk is: an OSError from write(2), at any point.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            function()
            answer = "fine"
        except BaseException as err:
            answer = f"{type(err).__name__}: {err}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def a_tree(tmp_path: Path) -> Path:
    noise = random.Random(3).randbytes(150_000).hex()
    return make_tree(tmp_path / "tree", {".heroku/venv/big": noise, "app.py": "x"})


def leftovers(root: Path) -> list[Path]:
    return list(root.rglob("*.tmp"))


def test_packing_without_room(tmp_path: Path) -> None:
    tree, store, output = a_tree(tmp_path), Store(tmp_path / "store"), tmp_path / "x.slug"

    def pack() -> Slug:
        return write_slug(tree, output, facts=FACTS, store=store).slug

    for limit in (0, 50, 500, 5_000, 50_000, 120_000):
        found = outcome(pack, limit=limit)
        assert found.startswith(StoreNotWritableError.__name__)
        assert not output.exists()
        assert leftovers(tmp_path) == []
    assert read_slug(pack().archive).metadata.name == "hello"


def test_writing_the_slug_without_room(tmp_path: Path) -> None:
    """The frames are in the store already; only the output has no room."""
    tree, store, output = a_tree(tmp_path), Store(tmp_path / "store"), tmp_path / "x.slug"
    write_slug(tree, tmp_path / "first.slug", facts=FACTS, store=store)
    found = outcome(lambda: write_slug(tree, output, facts=FACTS, store=store), limit=100_000)
    assert found == f"{SlugNotWrittenError.__name__}: The slug {output} cannot be written"
    assert not output.exists()
    assert leftovers(tmp_path) == []


def test_unpacking_without_room(tmp_path: Path, open_dir: Path) -> None:
    tree, packed = a_tree(tmp_path), Store(tmp_path / "packed")
    slug = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=packed).slug
    store = Store(open_dir / "store")
    for limit in (100, 100_000):
        found = outcome(lambda: store.ensure_layers(slug), limit=limit)
        assert found == f"StoreNotWritableError: Slugkit cannot write to its store {store.root}"
        assert leftovers(open_dir) == []
    together = [contents(layer) for layer in store.ensure_layers(slug)]
    assert {key for layer in together for key in layer} == set(contents(tree))


def test_store_message(tmp_path: Path) -> None:
    error = StoreNotWritableError(tmp_path, "[Errno 28] No space left on device")
    assert error.exit_code == 73
    assert error.text() == (
        f"Slugkit cannot write to its store {tmp_path}\n\n"
        "[Errno 28] No space left on device\n\n"
        "Make room there, or set SLUGKIT_HOME to another directory."
    )
