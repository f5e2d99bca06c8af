"""bin/build: what it finds in its layers directory."""

from __future__ import annotations

from pathlib import Path

from buildpack.cnb.build import clear_layers
from buildpack.cnb.dirs import CnbDirs, unlink_cache


def test_layers_of_an_earlier_build_go_and_its_cache_stays(tmp_path: Path) -> None:
    cnb = dirs(tmp_path)
    for name in ("python", "venv", "nltk_data", "cache"):
        (cnb.layers_dir / name / "deep").mkdir(parents=True)
    clear_layers(cnb)
    assert sorted(path.name for path in cnb.layers_dir.iterdir()) == ["cache"]


def test_links_in_the_place_of_layers_are_not_followed(tmp_path: Path) -> None:
    cnb = dirs(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True)
    for name in ("venv", "cache"):
        (cnb.layers_dir / name).symlink_to(elsewhere)
    unlink_cache(cnb)
    clear_layers(cnb)
    assert list(cnb.layers_dir.iterdir()) == []
    assert (elsewhere / "kept").is_dir()


def dirs(tmp_path: Path) -> CnbDirs:
    layers = tmp_path / "layers"
    layers.mkdir()
    return CnbDirs(
        app_dir=tmp_path / "app",
        layers_dir=layers,
        platform_dir=tmp_path / "platform",
        buildpack_dir=tmp_path,
    )
