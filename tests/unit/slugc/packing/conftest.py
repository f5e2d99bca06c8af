"""A store, and an app of many packages that is cut into small parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from slugc.packing import cuts
from slugc.store import Store
from tests.unit.slugc.packing.parts import TREE
from tests.unit.slugc.trees import make_tree


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule for apps of 100 MB, on one of 100 kB."""
    monkeypatch.setattr(cuts, "PART", 8 * 1024)
    monkeypatch.setattr(cuts, "SPLIT", 6)


@pytest.fixture
def store(open_dir: Path) -> Store:
    return Store(open_dir / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree", TREE)
