"""The apps of fixtures/: one folder, one story, and what its fixture.toml says of it."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from buildpack.support.errors import SlugkitError

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures"
SNAPSHOTS = ROOT / "tests" / "snapshots"
NOTE = "fixture.toml"

DAY = date(2026, 11, 22)
"""What is supported changes with time: the stories happen on one day."""

PLAN, BUILD = "plan", "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a story ends badly: in which phase, with which id, in which words."""

    phase: str
    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One app and what is expected of it.

    ``env`` are its config vars. ``not_detected`` is what detect says when it says no. ``lock`` is
    the command that makes its lock file, where that would name the host of an index; ``installed``
    what a lock leads to.
    """

    directory: Path
    story: str
    not_detected: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    lock: tuple[str, ...] = ()
    installed: tuple[str, ...] = ()
    table: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def can_be_planned(self) -> bool:
        return not self.not_detected and (self.failure is None or self.failure.phase == BUILD)

    @property
    def is_refused(self) -> bool:
        """Whether it ends before anything is done."""
        return self.failure is not None and self.failure.phase == PLAN

    def copy_to(self, target: Path) -> Path:
        """The app as its author has it: without the note on what tests expect."""
        shutil.copytree(self.directory, target, symlinks=True)
        (target / NOTE).unlink()
        return target


def read_story(directory: Path) -> Story:
    table = tomllib.loads((directory / NOTE).read_text("utf-8"))
    fails = table.get("fails")
    failure = fails and Failure(
        phase=fails.get("phase", PLAN), id=fails["id"], text=fails["text"].rstrip("\n")
    )
    return Story(
        directory=directory,
        story=table["story"],
        not_detected=table["detect"].get("fails", "").rstrip("\n"),
        env=table.get("env", {}),
        failure=failure,
        lock=tuple(table.get("lock", ())),
        installed=tuple(table.get("installed", ())),
        table=table,
    )


STORIES = {path.parent.name: read_story(path.parent) for path in sorted(FIXTURES.glob(f"*/{NOTE}"))}


def is_updating() -> bool:
    """UPDATE_FIXTURES=1: write down what happens now, for a person to read as a diff."""
    return os.environ.get("UPDATE_FIXTURES", "") not in {"", "0"}


def compare_snapshot(kind: str, name: str, found: str) -> None:
    """Compare with tests/snapshots/<kind>/<name>, or rewrite that."""
    path = SNAPSHOTS / kind / name
    if is_updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, "utf-8")
    assert path.exists(), f"no snapshot yet: UPDATE_FIXTURES=1 writes {path.relative_to(ROOT)}"
    assert found == path.read_text("utf-8")


def compare_failure(story: Story, error: SlugkitError) -> None:
    """Compare with the [fails] of the story, or rewrite that."""
    found = Failure(phase=PLAN, id=getattr(error, "reason_id", error.id), text=error.text())
    write_failure(story, found)
    assert story.failure is not None, f"{story.name} is to be planned:\n{found.text}"
    if not is_updating():
        assert found == story.failure


def compare_detect_failure(story: Story, found: str) -> None:
    """Compare what detect says with the [detect] of the story, or rewrite that."""
    if is_updating():
        note = story.directory / NOTE
        before, mark, after = note.read_text("utf-8").partition("[detect]\nfails = '''\n")
        rest = after[after.index("'''") :]
        note.write_text(f"{before}{mark}{found}\n{rest}", "utf-8")
    else:
        assert found == story.not_detected


def write_failure(story: Story, found: Failure) -> None:
    """With UPDATE_FIXTURES=1 make ``found`` the story's end: the last table of its note."""
    if not is_updating() or story.failure is None:
        return
    note = story.directory / NOTE
    head = note.read_text("utf-8").partition("\n[fails]\n")[0]
    phase = f'phase = "{BUILD}"\n' if found.phase == BUILD else ""
    text = found.text.rstrip("\n")
    ending = f"[fails]\n{phase}id = {json.dumps(found.id)}\ntext = '''\n{text}\n'''\n"
    note.write_text(f"{head}\n{ending}", "utf-8")
