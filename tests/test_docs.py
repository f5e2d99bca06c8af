"""What README.md and docs/ tell people to type is understood, and what they link to is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from runner.cli import cli as slug_run
from slugc.cli import slugc

ROOT = Path(__file__).resolve().parent.parent
GUIDES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = {"slugc": slugc, "slug-run": slug_run}
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
BEGINS = re.compile(r" *(\w+=\S+ )*(slugc|slug-run) (?! *->)")  # an arrow is a picture's
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PIECES = {"|", "||", "&&", ";", "&", ">", ">>", "<", "<(", ")"}


def typed(guide: Path) -> Iterator[str]:
    """The command lines in its blocks, a continued line as one."""
    for block in BLOCK.findall(guide.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if BEGINS.match(line):
                yield line.strip()


def commands(line: str) -> Iterator[Sequence[str]]:
    """The words of each command of ours in ``line``: without comments, pipes and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in (*lexer, ";"):
        if word not in PIECES:
            words.append(word)
            continue
        begins = next((at for at, each in enumerate(words) if each in PROGRAMS), None)
        if begins is not None:
            yield words[begins:]
        words = []


def parse(command: click.Command, words: Sequence[str]) -> None:
    """What click does before it runs ``words``. Raises click.UsageError."""
    with command.make_context(words[0], list(words[1:])) as context:
        if isinstance(command, click.Group) and context._protected_args:
            rest = [*context._protected_args, *context.args]
            name, below, rest = command.resolve_command(context, rest)
            assert name is not None
            assert below is not None
            parse(below, [name, *rest])


@pytest.mark.parametrize(
    ("guide", "line"), [(guide.name, line) for guide in GUIDES for line in typed(guide)]
)
def test_what_is_to_be_typed_is_understood(
    guide: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = list(commands(line))
    assert found, f"{guide}: no command of ours in {line!r}"
    for words in found:
        parse(PROGRAMS[words[0]], words)


def anchors(guide: Path) -> set[str]:
    """As GitHub names headings."""
    titles = HEADING.findall(BLOCK.sub("", guide.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_what_is_linked_is_there(guide: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", guide.read_text())):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = guide.parent / name if name else guide
        assert target.exists(), f"{link} in {guide.name}"
        if anchor:
            assert anchor in anchors(target), f"{link} in {guide.name}"
