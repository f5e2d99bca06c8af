"""Copying a source: what comes along, what does not, and what is refused by name."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from slugc.archive.limits import Limits
from slugc.privileges import Identity, run_identity
from slugc.sources.errors import (
    SourceChangedError,
    SourceRefusedError,
    SourceTooLargeError,
    SourceUnreadableError,
)
from slugc.sources.slugignore import IgnoreRules, parse_rules
from slugc.sources.staging import Staged, Stager, leaves_tree

SMALL = Limits(entries=10, unpacked=1000, depth=3, path=40)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    return directory


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "target"
    directory.mkdir()
    return directory


def stage(source: Path, target: Path, rules: bytes = b"", limits: Limits | None = None) -> Staged:
    parsed = parse_rules(rules) if rules else IgnoreRules()
    owner = Identity(uid=os.getuid(), gid=os.getgid())
    stager = Stager(rules=parsed, owner=owner, limits=limits or Limits())
    return stager.copy(source, target)


def names(directory: Path) -> set[str]:
    return {os.fspath(path.relative_to(directory)) for path in directory.rglob("*")}


def test_files_links_and_modes_come_along(source: Path, target: Path) -> None:
    (source / "app.py").write_text("print('hello')\n")
    (source / "app.py").chmod(0o600)
    (source / "bin").mkdir(mode=0o700)
    (source / "bin" / "run").write_text("#!/bin/sh\n")
    (source / "bin" / "run").chmod(0o4711)
    (source / "latest").symlink_to("bin/run")

    staged = stage(source, target)

    assert names(target) == {"app.py", "bin", "bin/run", "latest"}
    assert (target / "app.py").read_text() == "print('hello')\n"
    assert (target / "app.py").stat().st_mode & 0o7777 == 0o644
    assert (target / "bin" / "run").stat().st_mode & 0o7777 == 0o755
    assert (target / "latest").readlink() == Path("bin/run")
    assert (staged.files, staged.size) == (3, 25)


def test_the_source_is_not_changed(source: Path, target: Path) -> None:
    (source / "a").write_text("one")
    before = {path: path.lstat().st_mtime_ns for path in (source, source / "a")}

    stage(source, target)

    assert {path: path.lstat().st_mtime_ns for path in before} == before
    assert (source / "a").stat().st_nlink == 1


def test_hard_links_become_copies(source: Path, target: Path) -> None:
    (source / "a").write_text("one")
    (source / "b").hardlink_to(source / "a")

    stage(source, target)

    assert (target / "a").stat().st_ino != (target / "b").stat().st_ino


def test_names_survive_byte_for_byte(source: Path, target: Path) -> None:
    odd = {b"new\nline", b"\xff\xfe", b"-rf", b" ", b"\x1b[31m", b"x" * 255, b"README", b"readme"}
    for name in odd:
        (source / os.fsdecode(name)).write_text("x")

    stage(source, target)

    assert {os.fsencode(path.name) for path in target.iterdir()} == odd


def test_history_caches_virtualenvs_and_slugs_stay_behind(source: Path, target: Path) -> None:
    for directory in (".git", "pkg/__pycache__", "env/bin", "pkg/sub"):
        (source / directory).mkdir(parents=True)
    (source / ".git" / "config").write_text("token")
    (source / "env" / "pyvenv.cfg").write_text("home = /usr\n")
    (source / "polls.slug").write_text("old")
    (source / "pkg" / "garden.slug").write_text("not at the top")

    staged = stage(source, target)

    assert names(target) == {"pkg", "pkg/sub", "pkg/garden.slug"}
    assert staged.left_out == ("env",)


def test_ignored_files_are_neither_copied_nor_judged(source: Path, target: Path) -> None:
    (source / "data").mkdir()
    os.mkfifo(source / "data" / "pipe")
    (source / "keep").write_text("x")

    staged = stage(source, target, b"data/\n")

    assert names(target) == {"keep"}
    assert staged.ignored == ("data",)


def test_the_procfile_is_kept_whatever_slugignore_says(source: Path, target: Path) -> None:
    (source / "Procfile").write_text("web: x\n")

    staged = stage(source, target, b"*\n")

    assert names(target) == {"Procfile"}
    assert staged.ignored == ()  # so nobody is told that it was left out
    assert staged.spares_procfile


def test_everything_a_slug_cannot_hold_is_named(source: Path, target: Path) -> None:
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(source / "sock"))
    (source / "away").symlink_to("/etc/passwd")
    (source / "up").symlink_to("../../x")
    (source / "fine").symlink_to("nowhere")

    with pytest.raises(SourceRefusedError) as caught:
        stage(source, target)

    assert caught.value.exit_code == 65
    assert caught.value.text() == (
        "The source holds what a slug cannot hold\n\n"
        "    away: a link out of the source, to /etc/passwd\n"
        "    pipe: a FIFO\n"
        "    sock: a socket\n"
        "    up: a link out of the source, to ../../x\n\n"
        "Remove these, or leave them out with a line in .slugignore."
    )


def test_link_loops_are_just_links(source: Path, target: Path) -> None:
    (source / "itself").symlink_to("itself")
    (source / "here").symlink_to(".")
    (source / "sub").mkdir()
    (source / "sub" / "up").symlink_to("..")

    stage(source, target)

    assert names(target) == {"itself", "here", "sub", "sub/up"}


def test_all_that_cannot_be_read_is_named(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fine", "secret"):
        (source / name).write_text("x")
    (source / "closed").mkdir()
    really_open = os.open

    def open_as_a_stranger(path: str, *rest: int, **options: int) -> int:
        if path in {"secret", "closed"}:
            raise PermissionError(13, "Permission denied", path)
        return really_open(path, *rest, **options)

    monkeypatch.setattr(os, "open", open_as_a_stranger)

    with pytest.raises(SourceUnreadableError) as caught:
        stage(source, target)

    assert caught.value.exit_code == 77
    assert caught.value.text() == (
        "Part of the source cannot be read\n\n    closed\n    secret\n\n"
        "Allow it with chmod, or leave it out with a line in .slugignore."
    )


def test_what_passes_a_limit_is_refused(source: Path, target: Path) -> None:
    (source / "big").write_bytes(b"x" * 1001)
    (source / "data").mkdir()
    (source / "data" / "more").write_bytes(b"x" * 1000)

    with pytest.raises(SourceTooLargeError) as caught:
        stage(source, target, limits=SMALL)

    assert caught.value.text() == (
        "The source is larger than a slug may be: 2,001 bytes, 1,000 are allowed\n\n"
        "The biggest directories:\n"
        "         0.0 MB          2 entries  .\n"
        "         0.0 MB          1 entries  data\n\n"
        "Leave data and media out with lines in .slugignore."
    )


def test_too_many_entries_are_refused(source: Path, target: Path) -> None:
    for number in range(11):
        (source / str(number)).touch()

    with pytest.raises(SourceTooLargeError, match="larger than a slug"):
        stage(source, target, limits=SMALL)


def test_too_deep_and_too_long_paths_are_named(source: Path, target: Path) -> None:
    (source / "a" / "b" / "c" / "d").mkdir(parents=True)
    (source / ("n" * 41)).touch()

    with pytest.raises(SourceRefusedError) as caught:
        stage(source, target, limits=SMALL)

    assert caught.value.problems == (
        "a/b/c: deeper than 3 directories",
        f"{'n' * 41}: a path of 41 bytes; at most 40",
    )


def test_a_file_that_grows_while_it_is_read_is_noticed(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "log").write_text("one")
    pour = os.sendfile

    def and_somebody_writes(out: int, reader: int, offset: None, count: int) -> int:
        with (source / "log").open("a") as file:
            file.write("more")
        return pour(out, reader, offset, count)

    monkeypatch.setattr(os, "sendfile", and_somebody_writes)

    with pytest.raises(SourceChangedError) as caught:
        stage(source, target)

    assert (caught.value.exit_code, caught.value.name) == (75, "log")


def test_files_that_often_hold_secrets_are_told(source: Path, target: Path) -> None:
    for name in (".env", ".env.example", "deploy.pem", "id_rsa", "app.py"):
        (source / name).touch()

    assert stage(source, target).secrets == (".env", "deploy.pem", "id_rsa")


@pytest.mark.parametrize(
    ("path", "target", "leaves"),
    [
        ("a", "/etc", True),
        ("a", "..", True),
        ("a/b", "..", False),
        ("a/b", "../..", True),
        ("a/b", "../c", False),
        ("a", "b/../../c", True),
        ("a", "...", False),
        ("a", "..b", False),
    ],
)
def test_leaves_tree(path: str, target: str, leaves: bool) -> None:
    assert leaves_tree(path, target) is leaves


def test_the_copy_belongs_to_the_user_builds_run_as(source: Path, target: Path) -> None:
    (source / "sub").mkdir()
    (source / "sub" / "a").touch()
    (source / "link").symlink_to("sub")

    Stager(rules=IgnoreRules(), owner=run_identity()).copy(source, target)

    owners = {path.lstat().st_uid for path in target.rglob("*")}
    assert owners == {run_identity().uid}


def test_a_git_file_empty_files_and_empty_directories(source: Path, target: Path) -> None:
    """Of a submodule .git is a file, which names a place of this machine."""
    (source / "lib").mkdir()
    (source / "lib" / ".git").write_text("gitdir: ../.git/modules/lib\n")
    (source / "empty").touch(mode=0o400)
    (source / "nothing").mkdir()

    stage(source, target)

    assert names(target) == {"lib", "empty", "nothing"}
    assert (target / "empty").stat().st_mode & 0o777 == 0o644


def test_node_modules_stay_where_package_json_brings_them_back(source: Path, target: Path) -> None:
    for directory in ("node_modules/a", "plain/node_modules"):
        (source / directory).mkdir(parents=True)
        (source / directory / "x.js").touch()
    (source / "package.json").touch()

    staged = stage(source, target)

    assert names(target) == {
        "package.json",
        "plain",
        "plain/node_modules",
        "plain/node_modules/x.js",
    }
    assert staged.modules == ("node_modules",)
