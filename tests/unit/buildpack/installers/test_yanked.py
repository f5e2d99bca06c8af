"""yanked: what was withdrawn stays known for as long as it is installed, and is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.installers.yanked import FILE, note_yanked, read_yanked, yanked_warning
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion

LINES = (
    " + zope-interface==5.0",
    'warning: `zope-interface==5.0` is yanked (reason: "it broke")',
    "warning: `old==1.0` is yanked",
)


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    made = Venv(root=tmp_path / "venv", version=PythonVersion(major=3, minor=13, patch=0))
    for name in ("zope.interface-5.0", "old-1.0"):
        (made.site_packages / f"{name}.dist-info").mkdir(parents=True)
    return made


def test_another_run_of_uv_does_not_make_it_forgotten(venv: Venv) -> None:
    note_yanked(venv, LINES)
    note_yanked(venv, ("Installed 1 package",))
    assert read_yanked(venv) == {"zope-interface==5.0": "it broke", "old==1.0": ""}


def test_what_is_no_longer_installed_is(venv: Venv) -> None:
    note_yanked(venv, LINES)
    (venv.site_packages / "old-1.0.dist-info").rmdir()
    note_yanked(venv, ())
    assert read_yanked(venv) == {"zope-interface==5.0": "it broke"}
    (venv.site_packages / "zope.interface-5.0.dist-info").rmdir()
    note_yanked(venv, ())
    assert not (venv.root / FILE).exists()


def test_it_is_told_with_the_reason(venv: Venv) -> None:
    assert yanked_warning(venv) == ""
    note_yanked(venv, LINES)
    assert yanked_warning(venv) == (
        "Your app uses what its authors have withdrawn ('yanked')\n\n"
        "  old==1.0: no reason given\n  zope-interface==5.0: it broke\n\n"
        "It is installed because your app asks for exactly that version.\n"
        "Choose another one."
    )


@pytest.mark.parametrize("content", ["", "[]", "{", "\0"])
def test_a_note_that_a_hook_has_spoilt_is_none(venv: Venv, content: str) -> None:
    (venv.root / FILE).write_text(content)
    assert yanked_warning(venv) == ""


def test_a_directory_in_its_place_is_none_either(venv: Venv) -> None:
    (venv.root / FILE).mkdir()
    assert yanked_warning(venv) == ""
