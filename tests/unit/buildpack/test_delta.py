"""The last virtualenv's tree becomes the new one's; its listing too, without a look at it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.delta import list_added, listed_anew, make_new, make_stand_in
from buildpack.support.linking import list_tree
from buildpack.venv import Venv, create_venv
from buildpack.versions.python_version import parse_exact_version

VERSION = parse_exact_version("3.12.4")


def write(venv: Venv, *names: str) -> None:
    for name in names:
        path = venv.site_packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


@pytest.fixture
def last(tmp_path: Path) -> Venv:
    venv = create_venv(tmp_path / "last", VERSION, home=tmp_path)
    write(venv, "kept/__init__.py", "kept-1.dist-info/RECORD", "kept-1.dist-info/sub/LICENSE")
    write(venv, "gone/deep/__init__.py", "gone/deep/__pycache__/__init__.cpython-312.pyc")
    write(venv, "gone.py", "__pycache__/gone.cpython-312.pyc", "__pycache__/kept.cpython-312.pyc")
    write(venv, "gone-1.dist-info/RECORD", "shared/gone.txt", "shared/kept.txt")
    (venv.bin_dir / "gone").write_text("script")
    (venv.root / "yanked.json").write_text("{}")
    return venv


GONE = (
    "gone/deep/__init__.py", "gone.py", "gone-1.dist-info/RECORD", "shared/gone.txt",
    "../../../bin/gone", "../../../../outside", "missing.py",
    "../../../bin/python", "../../../bin/x/../python3.12", "../../../pyvenv.cfg",
)  # fmt: skip


def test_what_went_is_gone_what_came_is_there_and_the_listing_says_so(
    tmp_path: Path, last: Venv
) -> None:
    (tmp_path / "outside").write_text("nobody's to remove")
    before = list_tree(str(last.root))
    names = ["kept-1.dist-info", "gone-1.dist-info"]
    stand_in = make_stand_in(last, tmp_path / "stand-in", names, home=tmp_path)
    assert (stand_in.site_packages / "kept-1.dist-info" / "sub" / "LICENSE").is_file()
    assert (stand_in.root / "yanked.json").is_file()
    write(stand_in, "new/__init__.py", "new-1.dist-info/RECORD", "shared/new.txt")
    (stand_in.site_packages / "gone-1.dist-info" / "RECORD").unlink()
    (stand_in.site_packages / "gone-1.dist-info").rmdir()
    (stand_in.bin_dir / "new").write_text("script")
    added = list_added(stand_in, ["kept-1.dist-info"])
    config = (last.root / "pyvenv.cfg").stat().st_ino
    lost = make_new(last, GONE, stand_in, added)
    found = {
        os.fspath(path.relative_to(last.site_packages)) for path in last.site_packages.rglob("*")
    }
    assert not {name for name in found if "gone" in name}
    assert {"new/__init__.py", "shared/new.txt", "shared/kept.txt", "kept/__init__.py"} <= found
    assert "__pycache__/kept.cpython-312.pyc" in found
    names = sorted(path.name for path in last.bin_dir.iterdir())
    assert names == ["new", "python", "python3", "python3.12"]
    assert (last.root / "pyvenv.cfg").stat().st_ino == config
    assert (tmp_path / "outside").exists()
    assert listed_anew(before, lost, added) == list_tree(str(last.root))


def test_a_name_that_is_taken_is_an_error(tmp_path: Path, last: Venv) -> None:
    stand_in = make_stand_in(last, tmp_path / "stand-in", [], home=tmp_path)
    write(stand_in, "kept/__init__.py")
    with pytest.raises(FileExistsError):
        make_new(last, (), stand_in, list_added(stand_in, []))
