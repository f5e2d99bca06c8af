"""Hostile and honest archives against the one door through which archives come in."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tarsafe import TarSafe, TarSafeException  # type: ignore[import-untyped]  # it ships no types

from buildpack.support.errors import ExitCode, SlugkitError
from slugc.archive.errors import ArchiveError, ArchiveLimitError, UnsafeMemberError
from slugc.archive.extract import extract
from slugc.archive.limits import STRANGERS_LIMITS, Limits
from slugc.archive.strict import StrictArchive
from tests.faults.hostile_archives import CONTAINED, HONEST, HOSTILE, Tree
from tests.faults.tar_blocks import END, Fields, directory, file, gz, hard_link, pax, symlink, zst

LIMITS = Limits(packed=64 << 20, unpacked=64 << 20, entries=2_000)
SECRET = b"not yours"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Where archives are unpacked: beside a secret nobody may read or change."""
    (tmp_path / "secret").write_bytes(SECRET)
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


def assert_walls_hold(tree: Path) -> None:
    """Nothing outside was touched; inside are plain files, directories and links that stay."""
    beside = sorted(path.name for path in tree.parent.iterdir())
    assert beside == ["secret", "tree"]
    assert (tree.parent / "secret").read_bytes() == SECRET
    assert not Path("/tmp/slugkit-escape").exists()
    for path in tree.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            assert not path.readlink().is_absolute()
        else:
            assert stat.S_ISREG(mode) or stat.S_ISDIR(mode)
            assert stat.S_IMODE(mode) in {0o644, 0o755, 0o600}  # 0600: a file not finished
            assert path.lstat().st_uid == os.geteuid()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused_and_no_wall_breaks(name: str, tree: Path) -> None:
    started = time.process_time()
    with pytest.raises(ArchiveError) as caught:
        extract(io.BytesIO(HOSTILE[name]), tree, LIMITS)
    assert time.process_time() - started < 2
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.brief
    assert caught.value.details
    assert_walls_hold(tree)


@pytest.mark.parametrize("name", CONTAINED)
def test_modes_owners_and_attributes_stay_behind(name: str, tree: Path) -> None:
    extract(io.BytesIO(CONTAINED[name] + END), tree, LIMITS)
    assert_walls_hold(tree)
    assert all(not os.listxattr(path) for path in tree.rglob("*"))


@pytest.mark.parametrize("name", HONEST)
def test_honest_archive_comes_out_whole(name: str, tree: Path) -> None:
    data, expected = HONEST[name]
    extract(io.BytesIO(data), tree, LIMITS)
    assert found_in(tree) == dict(expected)
    assert_walls_hold(tree)


def found_in(tree: Path) -> Tree:
    """Files and links below ``tree``, without following any."""
    found: dict[str, bytes | tuple[str]] = {}
    for where, directories, files in os.walk(tree):
        for name in (*directories, *files):
            path = Path(where, name)
            if path.is_symlink():
                found[str(path.relative_to(tree))] = (str(path.readlink()),)
            elif path.is_file():
                found[str(path.relative_to(tree))] = path.read_bytes()
    return found


def test_corpus_is_as_large_as_promised() -> None:
    assert len(HOSTILE) + len(CONTAINED) >= 117
    assert len(HONEST) >= 15


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(b"0004755\0", 0o755), (b"0002755\0", 0o755), (b"0000666\0", 0o644), (b"0000000\0", 0o644)],
)
def test_modes_are_normalised(mode: bytes, expected: int, tree: Path) -> None:
    archive = directory(b"d", mode=b"0001777\0") + file(b"d/f", fields=Fields(mode=mode)) + END
    extract(io.BytesIO(archive), tree, LIMITS)
    assert stat.S_IMODE((tree / "d/f").stat().st_mode) == expected
    assert stat.S_IMODE((tree / "d").stat().st_mode) == 0o755


def test_modes_do_not_depend_on_the_umask(tree: Path) -> None:
    before = os.umask(0o077)
    try:
        extract(io.BytesIO(directory(b"d") + file(b"d/f") + END), tree, LIMITS)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tree / "d/f").stat().st_mode) == 0o644
    assert stat.S_IMODE((tree / "d").stat().st_mode) == 0o755


def test_root_takes_what_lies_under_it_and_refuses_the_rest(tree: Path) -> None:
    archive = directory(b"./app/") + file(b"./app/a") + END
    extract(io.BytesIO(archive), tree, LIMITS, root="app")
    assert found_in(tree) == {"a": b"x"}
    with pytest.raises(UnsafeMemberError) as caught:
        extract(io.BytesIO(file(b"./etc/passwd") + END), tree, LIMITS, root="app")
    assert caught.value.reason == "it lies outside ./app/"


def test_root_is_no_prefix_of_a_name(tree: Path) -> None:
    with pytest.raises(UnsafeMemberError):
        extract(io.BytesIO(file(b"./application/x") + END), tree, LIMITS, root="app")


def test_hard_link_under_a_root_is_found_there(tree: Path) -> None:
    archive = file(b"./app/a") + hard_link(b"./app/b", b"./app/a") + END
    extract(io.BytesIO(archive), tree, LIMITS, root="app")
    assert (tree / "a").samefile(tree / "b")


def test_existing_file_is_never_overwritten(tree: Path) -> None:
    (tree / "a").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        extract(io.BytesIO(file(b"a") + END), tree, LIMITS)
    assert (tree / "a").read_bytes() == b"mine"


def test_existing_link_is_never_followed(tree: Path) -> None:
    (tree / "d").symlink_to("..")
    with pytest.raises(OSError, match="d"):
        extract(io.BytesIO(file(b"d/secret") + END), tree, LIMITS)
    assert_walls_hold_around_link(tree)


def assert_walls_hold_around_link(tree: Path) -> None:
    assert (tree.parent / "secret").read_bytes() == SECRET


def test_unsafe_member_message(tree: Path) -> None:
    with pytest.raises(UnsafeMemberError) as caught:
        extract(io.BytesIO(symlink(b"bin/\x1b[31mpython", b"/usr/bin/python3") + END), tree, LIMITS)
    assert caught.value.text() == (
        "The archive holds something that may not be unpacked\n\n"
        "'bin/\\x1b[31mpython': it is a link to the absolute path '/usr/bin/python3'.\n\n"
        "Nothing was unpacked. Leave that member out and pack the archive again."
    )


def test_limit_message(tree: Path) -> None:
    with pytest.raises(ArchiveLimitError) as caught:
        extract(io.BytesIO(file(b"a") + file(b"b") + END), tree, Limits(entries=1))
    assert caught.value.text() == (
        "The archive holds too many entries\n\n"
        "2 entries where 1 are allowed.\n\n"
        "Nothing was unpacked. Leave out what the app does not need to run."
    )


def test_packed_limit_is_kept_while_reading(tree: Path) -> None:
    with pytest.raises(ArchiveLimitError) as caught:
        extract(io.BytesIO(file(b"a", b"x" * 5000) + END), tree, Limits(packed=4096))
    assert caught.value.details == "6,656 packed bytes where 4,096 are allowed."


@pytest.mark.parametrize("packed", [gz, zst])
def test_ratio_limit_is_kept_where_nobody_vouches_for_the_size(
    packed: Callable[[bytes], bytes], tree: Path
) -> None:
    bomb = packed(file(b"a", bytes(160 << 20)) + END)
    with pytest.raises(ArchiveLimitError) as caught:
        extract(io.BytesIO(bomb), tree, STRANGERS_LIMITS)
    assert caught.value.what == "bytes for each packed one"
    assert caught.value.limit == 100
    for path in tree.iterdir():
        path.unlink()
    extract(io.BytesIO(bomb), tree)  # a slug, whose index says how large it is
    assert (tree / "a").stat().st_size == 160 << 20


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"d/" * 65 + b"f", "it lies 66 directories deep, 64 are allowed"),
        (b"/".join([b"n" * 200] * 20), "its path is 4,019 bytes long, 3,840 are allowed"),
        (b"n" * 256, "a part of its name is 256 bytes long, 255 are allowed"),
    ],
)
def test_depth_and_length_are_named_with_their_limits(name: bytes, words: str, tree: Path) -> None:
    with pytest.raises(UnsafeMemberError) as caught:
        extract(io.BytesIO(pax({b"path": name}) + file(b"cut") + END), tree)
    assert caught.value.reason == words


def test_stream_without_seek_is_enough(tree: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, gz(file(b"a") + END))
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        extract(pipe, tree, LIMITS)
    assert found_in(tree) == {"a": b"x"}


def test_code_written_for_tarsafe_keeps_working(tree: Path, tmp_path: Path) -> None:
    archive = tmp_path / "tree" / "x.tar.gz"
    archive.write_bytes(gz(file(b"../secret") + END))
    with StrictArchive.open(archive) as opened:
        assert isinstance(opened, TarSafe)
        with pytest.raises(TarSafeException) as caught:
            opened.extractall(tree)
    assert isinstance(caught.value, SlugkitError)
    assert (tmp_path / "secret").read_bytes() == SECRET


def test_single_member_is_not_extracted_unjudged(tree: Path) -> None:
    with pytest.raises(NotImplementedError):
        StrictArchive(io.BytesIO(file(b"a") + END)).extract("a", tree)
