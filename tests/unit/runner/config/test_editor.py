"""config edit: a real editor program, a private file, and nothing lost when it cannot be used."""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path

import pytest

from runner.config.editor import DEFAULT_EDITOR, EditorNameError, determine_editor
from tests.unit.runner.config.conftest import SlugRun
from tests.unit.runner.config.nasty import CURATED, random_values

SLUG_RUN = f"'{sys.executable}' -m runner.main"


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that EDITOR names, with an argument of its own; what it does is written to it."""
    path = tmp_path / "my editor"
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    monkeypatch.setenv("EDITOR", f"'{path}' --wait")
    return path


def does(editor: Path, script: str) -> None:
    editor.write_text(f'#!/bin/sh\nset -eu\ntest "$1" = --wait\nfile=$2\n{script}\n')


def files_of(polls: SlugRun) -> list[str]:
    return sorted(path.name for path in (polls.home / "apps" / "1").iterdir() if path.is_file())


def test_what_is_edited_becomes_one_release(polls: SlugRun, editor: Path) -> None:
    polls.done("config", "set", "A=1", "B=2", "C=3")
    does(editor, "sed -i -e s/A=1/A=9/ -e /^B=/d $file; echo 'D=\"two\\nlines\"' >> $file")
    code, out, err = polls("config", "edit")
    assert (code, out) == (0, "A: 9\nD: two\\nlines\n")
    assert err == "Set A, D and remove B config vars on polls: v2\n"
    assert polls.config_vars() == {"A": "9", "C": "3", "D": "two\nlines"}
    assert files_of(polls) == ["lock"]


def test_an_editor_that_changes_nothing_makes_no_release(polls: SlugRun, editor: Path) -> None:
    named = [f"V{n}={text}" for n, text in enumerate(CURATED) if len(text) < 100 and text != "-"]
    polls.done("config", "set", *named)
    code, _, err = polls("config", "edit")
    assert (code, err) == (0, "Nothing changed: polls has it so already.\n")
    assert len(polls.releases()) == 1
    assert files_of(polls) == ["lock"]


def test_every_other_value_survives_an_edit(polls: SlugRun, editor: Path) -> None:
    values = (*(text for text in CURATED if text != "-"), *random_values(200, seed=11))
    named = {f"V{number}": text for number, text in enumerate(values)}
    polls.done("config", "import", "--dialect", "json", "-", stdin=json.dumps(named).encode())
    does(editor, "echo NEW=1 >> $file")
    polls.done("config", "edit")
    assert polls.config_vars() == {**named, "NEW": "1"}


def test_nobody_else_can_read_what_is_edited(polls: SlugRun, editor: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    does(editor, f'stat -c %a "$file" "$(dirname "$file")" > {seen}')
    polls.done("config", "edit")
    assert seen.read_text().split() == ["600", "700"]


def test_a_mistake_keeps_what_was_written_and_says_where(polls: SlugRun, editor: Path) -> None:
    polls.done("config", "set", "A=1")
    does(editor, "echo 'B-C=2' >> $file; chmod 644 $file")
    code, _, err = polls("config", "edit")
    assert code == 65
    assert "'B-C' is not a name" in err
    found = re.search(r"slug-run config import --replace (\S+)", err)
    assert found is not None
    kept = Path(found[1])
    assert "A=1\nB-C=2\n" in kept.read_text()
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert len(polls.releases()) == 1
    kept.write_text(kept.read_text().replace("B-C", "BC"))
    polls.done("config", "import", "--replace", str(kept))
    assert polls.config_vars() == {"A": "1", "BC": "2"}


def test_what_is_refused_for_its_name_is_kept_as_well(polls: SlugRun, editor: Path) -> None:
    does(editor, "echo PORT=1 >> $file")
    code, _, err = polls("config", "edit")
    assert code == 64
    assert "'PORT' is reserved" in err
    assert "What you wrote is kept" in err


@pytest.mark.parametrize("change", ["", "echo A=1 >> $file; "])
def test_an_editor_that_fails_changes_nothing(change: str, polls: SlugRun, editor: Path) -> None:
    does(editor, f"{change}exit 3")
    code, _, err = polls("config", "edit")
    assert code == 1
    assert "ended with status 3" in err
    assert ("is kept" in err) == bool(change)
    assert polls.releases() == ()
    assert len(files_of(polls)) == (1 if change else 0)


def test_an_editor_that_is_killed_changes_nothing(polls: SlugRun, editor: Path) -> None:
    does(editor, "kill -9 $$")
    code, _, err = polls("config", "edit")
    assert code == 1
    assert "ended by signal 9" in err


def test_an_editor_that_removes_the_file_changes_nothing(polls: SlugRun, editor: Path) -> None:
    does(editor, "rm $file")
    code, _, err = polls("config", "edit")
    assert code == 66
    assert "cannot be read" in err
    assert polls.releases() == ()


def test_others_may_change_other_config_vars_meanwhile(polls: SlugRun, editor: Path) -> None:
    polls.done("config", "set", "A=1", "B=2", "C=3")
    does(editor, f"sed -i -e s/A=1/A=9/ -e /^C=/d $file; {SLUG_RUN} config set B=8")
    polls.done("config", "edit")
    assert polls.config_vars() == {"A": "9", "B": "8"}


def test_two_who_change_the_same_are_told_and_nothing_is_lost(polls: SlugRun, editor: Path) -> None:
    polls.done("config", "set", "A=1")
    does(editor, f"sed -i s/A=1/A=9/ $file; {SLUG_RUN} config set A=8")
    code, _, err = polls("config", "edit")
    assert code == 75
    assert "The config vars of polls were changed meanwhile" in err
    assert "Changed by you and by somebody else: A." in err
    assert "What you wrote is kept" in err
    assert polls.config_vars() == {"A": "8"}


def test_visual_comes_before_editor_and_vi_is_the_last() -> None:
    assert determine_editor({"VISUAL": "code --wait", "EDITOR": "x"}) == ("code", "--wait")
    assert determine_editor({"EDITOR": "'my editor' -x"}) == ("my editor", "-x")
    assert determine_editor({"EDITOR": ""}) == (DEFAULT_EDITOR,)


@pytest.mark.parametrize("editor", ["'", " ", "/nonexistent/editor"])
def test_an_editor_that_is_none(
    editor: str, polls: SlugRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", editor)
    code, _, err = polls("config", "edit")
    assert code == 64
    assert f"'{editor}' is not a command for an editor" in err
    assert issubclass(EditorNameError, Exception)
