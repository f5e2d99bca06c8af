"""Room that is kept for starting a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.engines.embedded.lasting.ballast import MOST, Ballast


def test_room_is_there_while_it_is_lent_and_taken_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "ballast"
    for _ in range(2):
        with Ballast(path).lent():
            assert not path.exists()
        assert path.stat().st_blocks * 512 >= MOST


def test_it_is_taken_again_after_a_start_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "ballast"
    with pytest.raises(OSError, match="no"), Ballast(path).lent():
        raise OSError("no")
    assert path.exists()


def test_where_there_can_be_none_containers_start_all_the_same(tmp_path: Path) -> None:
    with Ballast(tmp_path / "gone" / "ballast").lent():
        pass
