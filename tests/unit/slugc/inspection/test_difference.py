"""What slugc diff says is different between two slugs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from buildpack.support.values import changed
from slugc.commands.diff import command
from slugc.inspection import contents
from slugc.inspection.diff_command import diff_from_options
from slugc.inspection.difference import Change, NamedChange, PathChange, compare
from slugc.inspection.difference_view import difference_text, stat_text
from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import Layer, Slug, SlugFacts, SlugFormat
from slugc.slug_verify import layer_chunks
from slugc.stack import Stack
from slugc.store import Store
from tests.unit.slugc.inspection.test_packages import FLASK, RECORD, SITE
from tests.unit.slugc.trees import FACTS, SMALL, make_tree


class Slugs:
    """Slugs made one after the other, with a store of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def tree(self, files: Mapping[str, str]) -> Path:
        self.count += 1
        return make_tree(self.root / f"tree{self.count}", files)

    def pack(
        self, tree: Path, facts: SlugFacts = FACTS, slug_format: SlugFormat = SlugFormat.ZSTD
    ) -> Slug:
        self.count += 1
        store = Store(self.root / "store")
        output = self.root / f"{self.count}.slug"
        return write_slug(tree, output, facts=facts, store=store, format=slug_format).slug

    def make(self, files: Mapping[str, str], facts: SlugFacts = FACTS) -> Slug:
        return self.pack(self.tree(files), facts)


@pytest.fixture
def slugs(tmp_path: Path) -> Slugs:
    return Slugs(tmp_path)


def test_the_same_slug_is_no_different(slugs: Slugs) -> None:
    found = compare(slugs.make(SMALL), slugs.make(SMALL))

    assert found.is_none
    assert found.same_index
    assert difference_text(found) == stat_text(found) == ""


def test_files_by_what_happened_to_them(slugs: Slugs) -> None:
    old, new = slugs.tree(SMALL), slugs.tree(SMALL)
    (old / "link").symlink_to("app.py")
    (new / "link").symlink_to("Procfile")
    (old / "gone.txt").write_text("gone")
    (new / "new.txt").write_text("newer")
    (old / "tool").write_text("#!")
    (new / "tool").write_text("#!")
    (new / "tool").chmod(0o755)
    (new / "app.py").write_text("print('HELLO')\n")
    (old / "was").write_text("a file")
    (new / "was").mkdir()
    (new / "was" / "below").write_text("x")
    (new / "empty").mkdir()
    found = compare(slugs.pack(old), slugs.pack(new))

    def path(name: str, change: Change, what: str, before: int, after: int) -> PathChange:
        return PathChange(path=name, change=change, what=(what,), before=before, after=after)

    assert found.paths == (
        path("app.py", Change.CHANGED, "content", 15, 15),
        path("empty", Change.ADDED, "directory", 0, 0),
        path("gone.txt", Change.REMOVED, "file", 4, 0),
        path("link", Change.CHANGED, "target app.py -> Procfile", 0, 0),
        path("new.txt", Change.ADDED, "file", 0, 5),
        path("tool", Change.CHANGED, "mode 0644 -> 0755", 2, 2),
        path("was", Change.CHANGED, "file -> directory", 6, 0),
        path("was/below", Change.ADDED, "file", 0, 1),
    )
    assert [layer.same for layer in found.layers] == [True, True, False]


def test_packages_by_their_versions(slugs: Slugs) -> None:
    newer = {name.replace("3.1.0", "3.2.0"): text for name, text in FLASK.items()}
    newer[f"{SITE}/flask-3.2.0.dist-info/METADATA"] = "Name: Flask\nVersion: 3.2.0\n"
    newer[f"{SITE}/flask-3.2.0.dist-info/RECORD"] = RECORD.replace("3.1.0", "3.2.0")
    newer[f"{SITE}/click-8.dist-info/METADATA"] = "Name: click\nVersion: 8\n"
    found = compare(slugs.make(FLASK), slugs.make(newer))

    assert found.packages == (
        NamedChange(name="Flask", before="3.1.0", after="3.2.0"),
        NamedChange(name="click", before=None, after="8"),
    )


def test_what_the_indexes_say(slugs: Slugs) -> None:
    facts = changed(
        FACTS,
        process_types={ProcessType("web"): "gunicorn other:app", ProcessType("worker"): "work"},
        config_vars={"SECRET_KEY": "hidden"},
        python_version="3.13.1",
        commit=None,
        stack=Stack(id="debian-13", distribution="debian", glibc="2.36", arch="x86_64"),
    )
    found = compare(slugs.make(SMALL), slugs.make(SMALL, facts))

    assert found.paths == ()
    assert {change.name: (change.before, change.after) for change in found.facts} == {
        "commit": ("c0ffee", None),
        "python": ("3.13.0", "3.13.1"),
        "stack": ("debian-12", "debian-13"),
    }
    assert difference_text(found).split("\n\n")[:3] == [
        "Facts\n  -  commit  c0ffee\n  ~  python  3.13.0 -> 3.13.1\n"
        "  ~  stack   debian-12 -> debian-13",
        "Process types\n  ~  web     gunicorn app:app -> gunicorn other:app\n  +  worker  work",
        "Default config vars\n  -  LANG\n  +  SECRET_KEY",
    ]
    assert "hidden" not in difference_text(found)


def test_a_file_s_name_is_no_difference_and_a_given_one_is(slugs: Slugs) -> None:
    nameless, named = changed(FACTS, name=""), changed(FACTS, name="polls")

    assert compare(slugs.make(SMALL, nameless), slugs.make(SMALL, nameless)).is_none
    found = compare(slugs.make(SMALL, nameless), slugs.make(SMALL, named))
    assert found.facts == (NamedChange(name="name", before=None, after="polls"),)


def test_the_same_contents_in_other_frames_are_said_to_be(slugs: Slugs) -> None:
    tree = slugs.tree(SMALL)
    found = compare(slugs.pack(tree), slugs.pack(tree, slug_format=SlugFormat.GZIP))

    assert found.paths == ()
    assert found.facts == (NamedChange(name="format", before="slug", after="tgz"),)
    assert found.layers[0].packed_before != found.layers[0].packed_after


def test_what_is_the_same_by_its_digest_is_not_read(
    slugs: Slugs, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = layer_chunks

    def recorded(slug: Slug, layer: Layer) -> Iterator[bytes]:
        read.append(layer.name)
        return real(slug, layer)

    old, new = slugs.make(SMALL), slugs.make({**SMALL, "app.py": "print('other')\n"})
    monkeypatch.setattr(contents, "layer_chunks", recorded)
    found = compare(old, new)

    assert [change.path for change in found.paths] == ["app.py"]
    assert read == ["app", "app"]


def test_as_text(slugs: Slugs) -> None:
    old = slugs.make(SMALL)
    new = slugs.make({**SMALL, "app.py": "print('hello, you')\n", "b\n.py": "x"})

    text = difference_text(compare(old, new))
    assert text.startswith("Files\n  ~  +5 B  app.py (content)\n  +   1 B  b\\n.py\n\nLayers\n")
    assert "\n  runtime       " in text
    assert "the same" in text
    assert not any("the same" in line and line.endswith("=") for line in text.splitlines())
    assert stat_text(compare(old, new)) == "1 path added (+1 B)\n1 path changed (+5 B)\n"


def test_as_json(slugs: Slugs, tmp_path: Path) -> None:
    old, new = slugs.make(SMALL), slugs.make({**SMALL, "new.py": "x"})
    text, same = diff_from_options(
        old.archive.name, new.archive.name, as_json=True, stat=False, cwd=tmp_path
    )
    document = json.loads(text)

    assert not same
    assert document["same"] is False
    assert document["paths"] == [
        {"path": "new.py", "change": "added", "what": ["file"], "before": 0, "after": 1}
    ]
    assert [layer["same"] for layer in document["layers"]] == [True, True, False]


def test_the_exit_code_is_that_of_diff(slugs: Slugs) -> None:
    old, new = slugs.make(SMALL), slugs.make({**SMALL, "new.py": "x"})

    def code(*words: object) -> int:
        return CliRunner().invoke(command, [str(word) for word in words]).exit_code

    assert code(old.archive, old.archive) == 0
    assert code(old.archive, new.archive) == 1
    assert code(old.archive, new.archive, "--stat") == 1
