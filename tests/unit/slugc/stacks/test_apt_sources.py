"""Which of this machine's package sources a stack image is made from."""

from __future__ import annotations

from pathlib import Path

from slugc.stacks.apt_sources import read_apt_sources

SOURCES = """\
# the distribution
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: https://vendor.example/apt
Suites: bookworm
Components: stable

Enabled: no
Types: deb
URIs: http://old.example/debian
Suites: bookworm
Components: main
"""

LIST = """\
deb http://mirror.example/debian bookworm main contrib # the distribution
deb [arch=amd64 signed-by=/etc/keys/a.gpg] http://mirror.example/debian bookworm-updates main
deb-src http://mirror.example/debian bookworm main
# deb http://mirror.example/debian bookworm-security main
deb https://vendor.example/apt cloud-bookworm main
deb http://mirror.example/debian bookworm-backports main
deb
"""


def apt_dir(root: Path, files: dict[str, str]) -> Path:
    (root / "sources.list.d").mkdir()
    for name, content in files.items():
        (root / name).write_text(content)
    return root


def test_stanzas_are_cut_down_to_the_distribution_s_own(tmp_path: Path) -> None:
    found = read_apt_sources(apt_dir(tmp_path, {"sources.list.d/a.sources": SOURCES}), "bookworm")
    assert found.lines == ()
    assert found.stanzas == (
        "Types: deb\n"
        "URIs: http://mirror.example/debian\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        "Types: deb\n"
        "URIs: http://mirror.example/debian-security\n"
        "Suites: bookworm-security\n"
        "Components: main\n"
        "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
    )


def test_lines_are_cut_down_to_the_distribution_s_own(tmp_path: Path) -> None:
    found = read_apt_sources(apt_dir(tmp_path, {"sources.list": LIST}), "bookworm")
    assert found.lines == (
        "deb http://mirror.example/debian bookworm main",
        "deb [arch=amd64 signed-by=/etc/keys/a.gpg] "
        "http://mirror.example/debian bookworm-updates main",
    )


def test_another_distribution_s_machine_has_none(tmp_path: Path) -> None:
    text = "deb http://mirror.example/ubuntu noble main\n"
    assert not read_apt_sources(apt_dir(tmp_path, {"sources.list": text}), "bookworm")


def test_files_apt_would_not_read_are_not_read(tmp_path: Path) -> None:
    files = {"sources.list.d/a.list.save": LIST, "sources.list.d/b.txt": LIST}
    assert not read_apt_sources(apt_dir(tmp_path, files), "bookworm")
