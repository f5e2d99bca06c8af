"""docs/ARCHITECTURE.md names what is there, and every folder of code is on its map."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/ARCHITECTURE.md").read_text()
QUOTED = sorted(set(re.findall(r"`([\w-]+/[\w./-]*)`", TEXT)))
LINKED = sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT)))
FOLDERS = sorted(
    {
        f"{file.parent.relative_to(ROOT)}/"
        for room in ("buildpack", "slugc", "runner")
        for file in (ROOT / room).rglob("*.py")
    }
)


@pytest.mark.parametrize("name", [name for name in QUOTED if (ROOT / name.split("/")[0]).is_dir()])
def test_what_is_named_is_there(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", LINKED)
def test_what_is_linked_is_there(name: str) -> None:
    assert (ROOT / "docs" / name).is_file()


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_of_code_is_on_the_map(name: str) -> None:
    assert name in QUOTED
