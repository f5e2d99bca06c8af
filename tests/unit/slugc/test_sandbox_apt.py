"""What of this machine apt-get goes by in a build."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slugc.sandbox.apt import apt_paths


@pytest.fixture
def apt(open_dir: Path) -> Path:
    path = open_dir / "etc" / "apt"
    for name in ("keyrings", "sources.list.d/old", "mirrors", "auth.conf.d", "apt.conf.d"):
        (path / name).mkdir(parents=True)
    (path / "sources.list").write_text("deb http://deb.example.com/debian bookworm main\n")
    return path


def shown(apt: Path, *, uid: int | None = None) -> list[str]:
    root = apt.parent.parent
    found = apt_paths(root, uid=os.getuid() if uid is None else uid)
    return [str(path.relative_to(root)) for path in found]


def test_its_sources_and_keys_are_there(apt: Path) -> None:
    """As heroku-buildpack-apt needs them."""
    status = apt.parent.parent / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.touch()
    (apt / "sources.list.d" / "a.sources").write_text("URIs: mirror+file:/etc/apt/mirrors/a.list\n")
    (apt / "mirrors" / "a.list").write_text("https://deb.example.com/a\n")

    assert shown(apt) == [
        "etc/apt/keyrings",
        "var/lib/dpkg/status",
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/a.sources",
        "etc/apt/mirrors/a.list",
    ]


def test_no_login_is_there_nor_a_source_that_asks_for_one(apt: Path) -> None:
    """It would answer 401, and apt-get update fail."""
    (apt / "auth.conf").write_text("machine deb.example.com/own login me password secret\n")
    (apt / "auth.conf.d" / "b").write_text("machine https://b.example.com\nlogin me\npassword x\n")
    listed = apt / "sources.list.d"
    (listed / "a.list").write_text("deb https://me:secret@deb.example.com/a ./\n")
    (listed / "b.list").write_text("deb [arch=amd64] https://b.example.com/b ./\n")
    (listed / "own.sources").write_text("URIs: https://deb.example.com/own\n")
    (listed / "pro.sources").write_text("URIs: https://esm.ubuntu.com/apps/ubuntu\n")
    (apt / "mirrors" / "a.list").write_text("https://me@deb.example.com/a\n")

    assert shown(apt) == ["etc/apt/keyrings", "etc/apt/sources.list"]


def test_no_source_is_there_that_lies_on_this_machine(apt: Path) -> None:
    """Builds do not see it, and apt-get update would fail."""
    (apt / "sources.list").write_text(
        "# deb cdrom:[Debian]/ a main\ndeb http://deb.example.com a b\n"
    )
    (apt / "sources.list.d" / "cuda.list").write_text("deb [arch=amd64] file:///var/cuda-repo /\n")
    (apt / "sources.list.d" / "own.sources").write_text("Types: deb\nURIs: file:/srv/own\n")

    assert shown(apt) == ["etc/apt/keyrings", "etc/apt/sources.list"]


def test_what_builds_may_not_read_is_not_there(apt: Path) -> None:
    """bubblewrap could not show it, and there would be no sandbox; or apt-get fails for it."""
    (apt / "sources.list").chmod(0o600)
    stranger = 54321

    assert shown(apt, uid=stranger) == ["etc/apt/keyrings"]
    apt.chmod(0o750)
    assert shown(apt, uid=stranger) == []
