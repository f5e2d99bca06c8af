"""Our .slugignore judges every path as git judges .gitignore: four hundred random rule sets."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from slugc.sources.slugignore import parse_rules

pytestmark = pytest.mark.integration

NAMES = ("a", "b", "foo", "bar.py", "x y", "\u00e9")
PARTS = ("a", "foo", "*", "**", "*.py", "f*", "[ab]", "?", "x y", "[!a]", "\u00e9", "f*o", "*a*")


def grow(root: Path, below: str = "", depth: int = 0) -> list[tuple[str, bool]]:
    """A tree three levels deep; (path, is it a directory)."""
    grown = []
    for name in NAMES:
        path = os.path.join(below, name)  # noqa: PTH118  # relative, as git prints it
        is_dir = depth < 2 and name != "bar.py"
        grown.append((path, is_dir))
        if is_dir:
            (root / path).mkdir()
            grown += grow(root, path, depth + 1)
        else:
            (root / path).touch()
    return grown


def random_pattern(dice: random.Random) -> str:
    pattern = "/".join(dice.choices(PARTS, k=dice.randint(1, 3)))
    before = dice.choice(("", "", "", "/", "!", "!/"))
    return before + pattern + dice.choice(("", "", "/"))


def ignored_by_git(root: Path, paths: list[tuple[str, bool]]) -> set[str]:
    answer = subprocess.run(
        ["git", "-C", root, "check-ignore", "-z", "--stdin"],
        input="\0".join(path for path, _ in paths),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert answer.returncode in {0, 1}, answer.stderr
    return set(answer.stdout.split("\0")) - {""}


def ignored_by_us(lines: list[str], paths: list[tuple[str, bool]]) -> set[str]:
    rules = parse_rules("\n".join(lines).encode())
    ignored: set[str] = set()
    for path, is_dir in paths:  # a directory comes before what is in it
        if os.path.dirname(path) in ignored or rules.ignores(path, is_dir=is_dir):  # noqa: PTH120
            ignored.add(path)
    return ignored


@pytest.mark.parametrize("seed", range(4))
def test_random_rules_against_git(tmp_path: Path, seed: int) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True, timeout=30)
    paths = grow(tmp_path)
    dice = random.Random(seed)
    for _ in range(100):
        lines = [random_pattern(dice) for _ in range(dice.randint(1, 5))]
        (tmp_path / ".gitignore").write_text("\n".join(lines) + "\n")

        assert ignored_by_us(lines, paths) == ignored_by_git(tmp_path, paths), lines
