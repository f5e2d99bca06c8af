"""Logins in TOML files of the app: away while uv runs, and back whatever happens."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.base import Install
from buildpack.installers.hidden_logins import hidden_logins
from buildpack.installers.originals import bring_back_originals
from buildpack.support.values import changed
from tests.unit.buildpack.installers.test_built_in_place import install_in

PYPROJECT = """\
[project]
dependencies = ["a @ git+https://me:s3cret@one.example/a.git@v1", "b", "c"]
[tool.uv.sources]
b = { git = "https://me:s3cret@one.example/b.git", tag = "1" }
c = { url = "https://me:s3cret@one.example/c-1-py3-none-any.whl" }
[[tool.uv.index]]
url = "https://me:s3cret@one.example/simple"
"""
BARE = """\
[project]
dependencies = ["a @ git+https://one.example/a.git@v1", "b", "c"]
[tool.uv.sources]
b = { git = "https://one.example/b.git", tag = "1" }
c = { url = "https://me:s3cret@one.example/c-1-py3-none-any.whl" }
[[tool.uv.index]]
url = "https://me:s3cret@one.example/simple"
"""


def installation(root: Path) -> Install:
    return changed(install_in(root), app_dir=root, env={"A": "1"})


def test_logins_of_repositories_alone_are_away_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(PYPROJECT)
    before = path.stat()
    inputs = {path.name: path.read_bytes(), "gone.toml": path.read_bytes()}
    with hidden_logins(installation(tmp_path), inputs) as ready:
        assert path.read_text() == BARE
        assert {"me", "s3cret"} <= set(ready.env.values())
        assert ready.env["A"] == "1"
    assert path.read_text() == PYPROJECT
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_files_of_such_a_name_stay_as_they_are(tmp_path: Path) -> None:
    """Also where a file cannot be read by all, or has another name elsewhere."""
    other = tmp_path / "other.toml"
    other.write_bytes(PYPROJECT.replace("\n", "\r\n").encode())
    other.chmod(0o400)
    link, hard = tmp_path / "pyproject.toml", tmp_path / "hard.toml"
    link.symlink_to(other.name)
    hard.hardlink_to(other)
    (tmp_path / ".pyproject.toml.original").write_text("the app's")
    before = other.stat()
    inputs = dict.fromkeys((link.name, hard.name), other.read_bytes())
    with hidden_logins(installation(tmp_path), inputs):
        assert link.read_text() == hard.read_text() == BARE
        assert b"s3cret@one.example/a" in other.read_bytes()
    assert link.readlink() == Path(other.name)
    assert hard.samefile(other)
    assert (other.stat().st_mode, other.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert (tmp_path / ".pyproject.toml.original").read_text() == "the app's"
    assert len([*tmp_path.iterdir()]) == 4


def test_they_stay_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(PYPROJECT)

    def on_a_full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("buildpack.support.files.write_whole", on_a_full_disk)
    inputs = {path.name: path.read_bytes()}
    with pytest.raises(OSError, match="No space"), hidden_logins(installation(tmp_path), inputs):
        pass
    assert path.read_text() == PYPROJECT
    assert [*tmp_path.iterdir()] == [path]


def test_they_come_back_when_the_installation_fails(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(PYPROJECT)
    inputs = {path.name: path.read_bytes()}
    with pytest.raises(ZeroDivisionError), hidden_logins(installation(tmp_path), inputs):
        raise ZeroDivisionError
    assert path.read_text() == PYPROJECT
    assert list(tmp_path.iterdir()) == [path]


def killed(directory: Path) -> Path:
    """A pyproject.toml as a build has left it that was killed while uv ran."""
    before = directory.with_name("before")
    before.mkdir(parents=True)
    path = before / "pyproject.toml"
    path.write_text(PYPROJECT)
    with hidden_logins(installation(before), {path.name: path.read_bytes()}):
        shutil.copytree(before, directory)
    assert len(list(directory.iterdir())) == 2
    return directory / path.name


def test_the_build_after_a_killed_one_puts_the_file_back(tmp_path: Path) -> None:
    path = killed(tmp_path / "app")
    bring_back_originals(App(root=path.parent))
    assert path.read_text() == PYPROJECT
    assert list(path.parent.iterdir()) == [path]


def test_it_comes_back_also_where_none_was_left_and_to_the_root_of_the_source(
    tmp_path: Path,
) -> None:
    path = killed(tmp_path / "source")
    path.unlink()
    (path.parent / "api").mkdir()
    bring_back_originals(App(root=path.parent / "api", source=path.parent))
    assert path.read_text() == PYPROJECT


def test_what_was_written_since_stays(tmp_path: Path) -> None:
    path = killed(tmp_path / "app")
    path.write_text(BARE + "# mine\n")
    bring_back_originals(App(root=path.parent))
    assert path.read_text() == BARE + "# mine\n"
    assert len(list(path.parent.iterdir())) == 2


def test_files_of_the_app_with_such_names_are_none_of_a_killed_build(tmp_path: Path) -> None:
    (tmp_path / ".a.original").write_text(PYPROJECT)
    (tmp_path / ".b.toml.0123abcd.original").symlink_to("/dev/zero")
    (tmp_path / ".c.toml.0123abcd.original").mkdir()
    os.mkfifo(tmp_path / ".d.toml.0123abcd.original")
    (tmp_path / ".e.toml.0123abcd.original").write_text("[x]\n")
    (tmp_path / ".f.toml.0123abcd.original").write_bytes(b"\xff")
    before = sorted(tmp_path.iterdir())
    bring_back_originals(App(root=tmp_path))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "text",
    [
        '[project]\ndependencies = ["a @ git+https://one.example/a.git"]\n',
        'x = "https://me:s3cret@one.example/simple"\n',
        "a @ git+https://me:s3cret@one.example/a.git\n",
    ],
    ids=["no login", "no repository", "no TOML"],
)
def test_other_files_are_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    install = installation(tmp_path)
    with hidden_logins(install, {path.name: path.read_bytes()}) as ready:
        assert ready is install
        assert path.read_text() == text
