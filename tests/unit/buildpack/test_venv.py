"""venv and editable: links, records and paths that survive being moved."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from buildpack.editable import make_editables_movable, relative_finder, relative_pth
from buildpack.venv import Venv, create_venv, neutralize
from buildpack.versions.python_version import PythonVersion

VERSION = PythonVersion(major=3, minor=13, patch=1)


def venv_at(root: Path) -> Venv:
    return create_venv(root / "venv", VERSION, home=Path("/cache/python/bin"))


def test_every_link_is_relative_and_in_the_end_the_config_names_no_home(tmp_path: Path) -> None:
    venv = venv_at(tmp_path)
    assert "home = /cache/python/bin\n" in (venv.root / "pyvenv.cfg").read_text()
    neutralize(venv)
    links = {p.name: str(p.readlink()) for p in venv.bin_dir.iterdir()}
    assert links == {
        "python": "../../python/bin/python3.13",
        "python3": "python",
        "python3.13": "python",
    }
    assert (venv.root / "pyvenv.cfg").read_text() == (
        "include-system-site-packages = false\nrelocatable = true\nversion = 3.13.1\n"
    )


def test_neutralize_removes_what_names_the_build_and_sorts_the_record(tmp_path: Path) -> None:
    venv = venv_at(tmp_path)
    info = venv.site_packages / "x-1.dist-info"
    info.mkdir()
    (info / "uv_cache.json").write_text("{}")
    (info / "direct_url.json").write_text('{"url": "file:///build/app"}')
    (info / "RECORD").write_text(
        "z.py,,\na.py,,\nx-1.dist-info/uv_cache.json,,\nx-1.dist-info/direct_url.json,,\n"
    )
    neutralize(venv)
    assert sorted(p.name for p in info.iterdir()) == ["RECORD"]
    assert (info / "RECORD").read_text() == "a.py,,\nz.py,,\n"


def test_a_direct_url_on_the_network_is_kept(tmp_path: Path) -> None:
    venv = venv_at(tmp_path)
    info = venv.site_packages / "x-1.dist-info"
    info.mkdir()
    (info / "direct_url.json").write_text('{"url": "https://e.example/x.whl"}')
    (info / "RECORD").write_text("x-1.dist-info/direct_url.json,,\n")
    neutralize(venv)
    assert (info / "direct_url.json").exists()


def test_neutralize_never_writes_into_a_hard_linked_record(tmp_path: Path) -> None:
    venv = venv_at(tmp_path)
    info = venv.site_packages / "x-1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("z,,\na,,\n")
    (tmp_path / "in-uv-cache").hardlink_to(info / "RECORD")
    neutralize(venv)
    assert (tmp_path / "in-uv-cache").read_text() == "z,,\na,,\n"
    assert (info / "RECORD").read_text() == "a,,\nz,,\n"


def test_a_pth_below_the_app_becomes_relative_and_others_stay() -> None:
    assert relative_pth(
        "/build\n/build/src\n/builder/x\nimport y\n", "/build", "../../../../.."
    ) == ("../../../../..\n../../../../../src\n/builder/x\nimport y\n")


def test_a_setuptools_finder_finds_the_moved_app(tmp_path: Path) -> None:
    text = "MAPPING: dict[str, str] = {'pkg': '/build/src/pkg', 'other': '/builder/x'}\n"
    rewritten = relative_finder(text, "/build", "../../../../..")
    assert "'/build/" not in rewritten
    site_packages = tmp_path / ".heroku/venv/lib/python3.13/site-packages"
    namespace: dict[str, object] = {"__file__": str(site_packages / "__editable___x_finder.py")}
    exec(rewritten, namespace)
    assert namespace["MAPPING"] == {"pkg": f"{tmp_path}/src/pkg", "other": "/builder/x"}


def test_editables_are_rewritten_on_disk(tmp_path: Path) -> None:
    venv = venv_at(tmp_path)
    pth = venv.site_packages / "__editable__.x.pth"
    pth.write_text("/build/src\n")
    record = venv.site_packages / "x-1.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("__editable__.x.pth,sha256=old,11\nother.py,sha256=kept,1\n")
    make_editables_movable(venv, Path("/build"), "../../../../..")
    assert pth.read_text() == "../../../../../src\n"
    digest = base64.urlsafe_b64encode(hashlib.sha256(pth.read_bytes()).digest()).decode()
    assert record.read_text() == (
        f"__editable__.x.pth,sha256={digest.rstrip('=')},19\nother.py,sha256=kept,1\n"
    )
