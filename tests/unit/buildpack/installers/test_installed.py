"""installed: records, origins and graphics cards in a virtualenv."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildpack.installers.installed import (
    HostileWheelError,
    check_records,
    clean_direct_urls,
)
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    made = Venv(root=tmp_path / "venv", version=PythonVersion(major=3, minor=13, patch=0))
    made.site_packages.mkdir(parents=True)
    return made


def add(venv: Venv, name: str, *rows: str) -> Path:
    info = venv.site_packages / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,", ""]))
    return info


def test_scripts_and_data_inside_the_virtualenv_are_in_order(venv: Venv) -> None:
    (venv.site_packages / "good.py").write_text("x")
    (venv.root / "bin").mkdir()
    (venv.root / "bin" / "good").write_text("xy")
    add(venv, "good", "good.py,sha256=aa,1", "../../../bin/good,,2", "gone.py,,7", '"a,b.py",,')
    check_records(venv)


@pytest.mark.parametrize(
    "name", ["../../../../evil", "/etc/evil", "a/../../../../../evil", "../../../../../../evil"]
)
def test_what_leads_out_of_the_virtualenv_is_refused(name: str, venv: Venv) -> None:
    add(venv, "bad", f"{name},,")
    with pytest.raises(HostileWheelError) as caught:
        check_records(venv)
    assert caught.value.text() == (
        "The wheel of bad 1.0 is damaged or hostile\n\n"
        f"Its list of files (RECORD) does not hold:\n\n  {name} is outside the virtualenv\n\n"
        "Nothing of it was kept. Do not install this file anywhere before you know\n"
        "who made it; use another version, or another index."
    )


@pytest.mark.parametrize("name", ["pyvenv.cfg", "bin/python", "bin/x/../python3.13"])
def test_what_is_the_virtualenvs_own_is_refused(name: str, venv: Venv) -> None:
    add(venv, "bad", f"../../../{name},,")
    with pytest.raises(HostileWheelError) as caught:
        check_records(venv)
    assert caught.value.problems == (f"../../../{name} is the virtualenv's own",)


def test_a_file_of_another_size_is_refused(venv: Venv) -> None:
    (venv.site_packages / "bad.py").write_text("abc")
    add(venv, "bad", "bad.py,sha256=aa,9")
    with pytest.raises(HostileWheelError) as caught:
        check_records(venv)
    assert caught.value.problems == ("bad.py has 3 bytes instead of 9",)


def test_a_password_is_taken_out_of_where_a_package_came_from(venv: Venv) -> None:
    info = add(venv, "private", "private-1.0.dist-info/direct_url.json,sha256=old,9")
    direct = info / "direct_url.json"
    direct.write_text('{"url": "https://me:pass-word@h.example/x.whl", "archive_info": {}}')
    clean_direct_urls(venv)
    assert json.loads(direct.read_text())["url"] == "https://h.example/x.whl"
    record = (info / "RECORD").read_text().splitlines()
    assert record[0].startswith("private-1.0.dist-info/direct_url.json,sha256=")
    assert record[0].endswith(f",{len(direct.read_bytes())}")
    assert "old" not in record[0]


@pytest.mark.parametrize(
    "text", ['{"url": "ssh://git@h.example/x.git"}', '{"url": "https://h.example/x"}', "no json"]
)
def test_where_nothing_is_secret_nothing_is_written(text: str, venv: Venv) -> None:
    info = add(venv, "open")
    (info / "direct_url.json").write_text(text)
    before = (info / "RECORD").stat().st_ino
    clean_direct_urls(venv)
    assert (info / "direct_url.json").read_text() == text
    assert (info / "RECORD").stat().st_ino == before


def test_what_was_looked_at_before_is_not_looked_at_again(venv: Venv) -> None:
    (venv.site_packages / "bad.py").write_text("abc")
    add(venv, "bad", "bad.py,sha256=aa,9")
    check_records(venv, frozenset({"bad-1.0.dist-info"}))
