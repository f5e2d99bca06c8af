"""lacking: a lock that leaves out what its packages need is installed, and it is said."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from buildpack.installers import lacking
from buildpack.installers.base import Dependencies
from buildpack.installers.lacking import warn_of_lacking
from buildpack.package_manager import PackageManager
from buildpack.support.output import Output
from buildpack.tools import ToolBox

FLASK = "The package `flask` requires `jinja2>=3.1`, but it's not installed\n"
OLD = "The package `a` requires `idna>=3`, but `2.10` is installed\n"


class FakeUv(ToolBox):
    """A uv that says what is in a file, and fails as uv does."""

    def program(self, name: str) -> Path:
        assert name == "uv"
        return self.directory / "uv"


def said(
    root: Path,
    text: str,
    end: str = "exit 1",
    *,
    manager: PackageManager = PackageManager.PIPENV,
) -> str:
    (root / "text").write_text(text)
    (root / "uv").write_text(f"#!/bin/sh\n/bin/cat '{root}/text' >&2\n{end}\n")
    (root / "uv").chmod(0o755)
    out = io.StringIO()
    found = Dependencies(manager=manager, source="Pipfile.lock", inputs={}, requires_python=())
    warn_of_lacking(found, root, FakeUv(directory=root, env={}), Output(err=out))
    return out.getvalue()


def test_what_is_left_out_or_does_not_fit_is_named_with_who_needs_it(tmp_path: Path) -> None:
    assert said(
        tmp_path, f"Checked 2 packages in 1ms\nFound 2 incompatibilities\n{FLASK}{OLD}"
    ) == (
        "\n !     Warning: Packages in Pipfile.lock do not fit together\n"
        " !\n"
        " !       flask requires jinja2>=3.1, but it's not installed\n"
        " !       a requires idna>=3, but `2.10` is installed\n"
        " !\n"
        " !     They are installed as the lock file says. If it was edited or merged by hand, let\n"
        " !     the tool that made it write it again. What you override on purpose may stay.\n\n"
    )


def test_of_many_the_first_ten_are_named(tmp_path: Path) -> None:
    found = said(tmp_path, FLASK * 12)
    assert found.count("flask requires") == 10
    assert " !       and 2 more\n" in found


@pytest.mark.parametrize(
    ("text", "end"),
    [("All installed packages are compatible\n", "exit 0"), ("error: no disk\n", "exit 2")],
)
def test_nothing_is_said_where_nothing_was_found(text: str, end: str, tmp_path: Path) -> None:
    assert said(tmp_path, text, end) == ""


def test_a_question_that_takes_too_long_does_not_end_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lacking, "TIME_LIMIT", 0.1)
    assert said(tmp_path, FLASK, "exec /bin/sleep 600") == ""


@pytest.mark.parametrize("manager", [PackageManager.PIP, PackageManager.UV, PackageManager.SCRIPT])
def test_nobody_is_asked_where_packages_were_resolved(
    manager: PackageManager, tmp_path: Path
) -> None:
    assert said(tmp_path, FLASK, manager=manager) == ""
