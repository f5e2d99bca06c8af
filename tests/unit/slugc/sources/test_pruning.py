"""What .slugignore.after takes out of a built tree."""

from __future__ import annotations

from pathlib import Path

from slugc.sources.pruning import prune_built_tree


def test_without_the_file_nothing_goes(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()

    assert prune_built_tree(tmp_path / "build", trash=tmp_path / "trash") == ()
    assert not (tmp_path / "trash").exists()


def test_files_and_directories_go_and_links_are_not_followed(tmp_path: Path) -> None:
    build, outside = tmp_path / "build", tmp_path / "outside"
    for directory in (build / "src", build / "tmp" / "deep", outside):
        directory.mkdir(parents=True)
    for file in (build / "src" / "a.o", build / "src" / "a.c", outside / "b.o"):
        file.touch()
    (build / "link").symlink_to(outside)
    (build / ".slugignore.after").write_text("*.o\ntmp/\n")

    pruned = prune_built_tree(build, trash=tmp_path / "trash")

    assert pruned == ("src/a.o", "tmp")
    assert (build / "src" / "a.c").exists()
    assert (outside / "b.o").exists()
    assert (build / "link").is_symlink()
