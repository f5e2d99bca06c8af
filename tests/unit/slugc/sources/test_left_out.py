"""What a build left out, with the line or rule that did it."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.values import changed
from slugc.history import note_build, read_builds
from slugc.privileges import run_identity
from slugc.sources.left_out import MOST, MOST_BYTES, LeftOut, LeftOutNotes
from slugc.sources.pruning import prune_built_tree
from slugc.sources.slugignore import parse_rules
from slugc.sources.staging import Stager
from tests.unit.slugc.test_history import RECORD


def reasons_of(root: Path, rules: bytes) -> dict[str, str]:
    (root / "target").mkdir()
    stager = Stager(rules=parse_rules(rules), owner=run_identity())
    return dict(stager.copy(root / "source", root / "target").notes.reasons)


def test_each_path_comes_with_its_line_or_rule(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in (".git", "docs/api", "pkg/__pycache__", "env"):
        (source / name).mkdir(parents=True)
    for name in ("a.md", "docs/b.md", "env/pyvenv.cfg", "old.slug", "kept.slug.txt", "pkg/a.py"):
        (source / name).touch()

    assert reasons_of(tmp_path, b"# notes\n*.md\n/docs/api/\n") == {
        ".git": "version control",
        "a.md": ".slugignore:2 `*.md`",
        "docs/api": ".slugignore:3 `/docs/api/`",
        "docs/b.md": ".slugignore:2 `*.md`",
        "env": "virtualenv",
        "old.slug": "a slug in the source's root",
        "pkg/__pycache__": "bytecode cache",
    }


def test_the_procfile_is_never_left_out(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "Procfile").write_text("web: serve\n")

    assert reasons_of(tmp_path, b"Procfile\n") == {}


@pytest.mark.parametrize(
    ("rules", "path", "is_dir", "reason"),
    [
        (b"*.log\nlogs/\n", "logs", True, ".slugignore:2 `logs/`"),
        (b"*.md\n!keep.md\nkeep.md\n", "keep.md", False, ".slugignore:3 `keep.md`"),
        (b"*.md\n!keep.md\n", "a.md", False, ".slugignore:1 `*.md`"),
        (b"\xff*\n", "\udcffx", False, ".slugignore:1 `\\xff*`"),
        (b"\n\n  \n#\na\x1bb\n", "a\x1bb", False, ".slugignore:5 `a\\x1bb`"),
    ],
)
def test_the_last_line_that_matches_is_named(
    rules: bytes, path: str, is_dir: bool, reason: str
) -> None:
    parsed = parse_rules(rules)

    assert parsed.ignores(path, is_dir=is_dir)
    assert parsed.reason(path, is_dir=is_dir) == reason


def test_what_is_pruned_after_the_build_is_added(tmp_path: Path) -> None:
    (tmp_path / "build" / "tmp").mkdir(parents=True)
    (tmp_path / "build" / ".slugignore.after").write_text("tmp/\n")
    notes = LeftOutNotes(LeftOut(reasons={"a.md": ".slugignore:1 `*.md`"}, count=3))

    prune_built_tree(tmp_path / "build", trash=tmp_path / "trash", notes=notes)

    assert notes.result() == LeftOut(
        reasons={"a.md": ".slugignore:1 `*.md`", "tmp": ".slugignore.after:1 `tmp/`"}, count=4
    )


def test_rows_are_bounded_and_the_count_is_not() -> None:
    notes = LeftOutNotes()
    for number in range(MOST + 50):
        notes.add(f"{number}.md", "a reason")
    assert (len(notes.result().reasons), notes.result().count) == (MOST, MOST + 50)

    notes = LeftOutNotes()
    for number in range(10):
        notes.add(f"{number}" + "x" * (MOST_BYTES // 4), lambda: "made for rows alone")
    assert (len(notes.result().reasons), notes.result().count) == (3, 10)


def test_a_record_from_before_there_was_such_a_thing(tmp_path: Path) -> None:
    record = changed(RECORD, left_out=LeftOut())
    note_build(tmp_path, record)
    (file,) = (tmp_path / "builds").iterdir()
    file.write_text(file.read_text().replace('"left_out": {}, "left_out_count": 0', '"x": 0'))

    assert read_builds(tmp_path) == (record,)
