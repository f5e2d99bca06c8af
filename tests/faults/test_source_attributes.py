"""Modes, attributes, links between files and mounts of a source: none of them is in the slug."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.bad_sources import MIB
from tests.integration.build_support import Builder, Outcome, make_app, make_buildpack


def test_modes_attributes_and_hard_links_are_normalised(
    build: Callable[..., Outcome], app: Path, open_dir: Path
) -> None:
    for name, mode in (("suid", 0o4755), ("world", 0o666), ("private", 0o400), ("none", 0o1644)):
        (app / name).write_text("x")
        (app / name).chmod(mode)
    (app / "sgid").mkdir()
    (app / "sgid").chmod(0o2777)
    (app / "twin").hardlink_to(app / "world")
    os.setxattr(app / "world", "user.note", b"canary")
    if os.getuid() == 0:
        capability = bytes.fromhex("0100000200040000000000000000000000000000")
        os.setxattr(app / "suid", "security.capability", capability)
    plain = make_app(open_dir / "plain" / "app")
    for name in ("suid", "world", "private", "none", "twin"):
        (plain / name).write_text("x")
    (plain / "suid").chmod(0o755)
    (plain / "sgid").mkdir()

    checksum = build(app).metadata.checksum

    assert b"canary" not in build(app).slug.read_bytes()
    assert build(plain).metadata.checksum == checksum


ACL_OWN, ACL_USER, ACL_GROUP, ACL_MASK, ACL_OTHER = 0x01, 0x02, 0x04, 0x10, 0x20


def set_acl(path: Path, kind: str, *entries: tuple[int, int, int]) -> None:
    """As setfacl would: (whose, rights, which of them), in acl(5)'s form of an attribute."""
    try:
        packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
        os.setxattr(path, f"system.posix_acl_{kind}", struct.pack("<I", 2) + packed)
    except OSError as err:
        if err.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system has no access control lists")


def test_access_control_lists_are_left_behind(
    build: Callable[..., Outcome], app: Path, open_dir: Path
) -> None:
    nobody = 0xFFFFFFFF
    theirs = (
        (ACL_OWN, 6, nobody),
        (ACL_USER, 7, 12345),  # somebody else may run it; it is no program for that
        (ACL_GROUP, 4, nobody),
        (ACL_MASK, 7, nobody),
        (ACL_OTHER, 0, nobody),
    )
    for place in (app, make_app(open_dir / "plain" / "app")):
        (place / "sub").mkdir()
        (place / "sub" / "file").write_text("x")
    set_acl(app / "sub" / "file", "access", *theirs)
    set_acl(app / "sub", "default", *theirs)
    set_acl(app, "default", *theirs)
    (app / "sub" / "inherits").write_text("y")
    (open_dir / "plain" / "app" / "sub" / "inherits").write_text("y")

    checksum = build(app).metadata.checksum

    assert build(open_dir / "plain" / "app").metadata.checksum == checksum


def test_a_data_directory_whose_files_inherit_rights_changes_nothing(
    app: Path, open_dir: Path
) -> None:
    pack = make_buildpack(open_dir / "pack", compile='echo x >"$1/made"; mkdir "$1/below"')
    checksum = Builder(home=open_dir / "usual").build(app, "-b", pack).metadata.checksum
    (open_dir / "data").mkdir()
    nobody = 0xFFFFFFFF
    set_acl(
        open_dir / "data",
        "default",
        *((ACL_OWN, 7, nobody), (ACL_USER, 7, 12345), (ACL_GROUP, 7, nobody)),
        *((ACL_MASK, 7, nobody), (ACL_OTHER, 5, nobody)),
    )

    assert Builder(home=open_dir / "data").build(app, "-b", pack).metadata.checksum == checksum


@contextlib.contextmanager
def mounted(*words: str, at: Path) -> Iterator[None]:
    done = subprocess.run((*words, at), capture_output=True, check=False, timeout=30, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(("umount", at), check=True, timeout=30)


AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount")


@AS_ROOT
def test_what_is_mounted_in_a_source_is_part_of_it(
    build: Callable[..., Outcome], app: Path, open_dir: Path
) -> None:
    """Another file system numbers its files anew: two with one number are no twins."""
    plain = make_app(open_dir / "plain" / "app")
    for place in (app, plain):
        (place / "data").mkdir()
    with mounted("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", at=app / "data"):
        for place in (app, plain):
            for number in range(50):
                (place / "data" / f"{number}").write_text(f"{number}")
            (place / "data" / "twin").hardlink_to(place / "data" / "1")
        checksum = build(app).metadata.checksum
        assert build(plain).metadata.checksum == checksum
        assert build(app, "--no-cache").metadata.checksum == checksum


@AS_ROOT
@pytest.mark.skipif(shutil.which("bindfs") is None, reason="bindfs is not installed")
def test_a_source_on_a_file_system_of_a_program(
    build: Callable[..., Outcome], app: Path, open_dir: Path
) -> None:
    """FUSE, as network file systems often are: other inode numbers, and no fast copies."""
    (app / "sub").mkdir()
    (app / "sub" / "large").write_bytes(os.urandom(3 * MIB))
    (app / "twin").hardlink_to(app / "sub" / "large")
    (app / "link").symlink_to("sub/large")
    (open_dir / "far").mkdir()
    expected = build(app).metadata.checksum
    with mounted("bindfs", "-o", "allow_other", os.fspath(app), at=open_dir / "far"):
        assert build(open_dir / "far").metadata.checksum == expected
        (app / "sub" / "new").write_bytes(b"less")
        changed = build(open_dir / "far").metadata.checksum
    assert changed == build(app).metadata.checksum != expected
