"""Headers that tar, Python and our own reader agree on; frames that no machine changes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from slugc.archive.compression import GzipMember, ZstdFrame
from slugc.archive.headers import MemberKind
from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.scan import scan_tree
from slugc.archive.writer import MODIFIED, SourceChangedError, header, tar_bytes
from tests.unit.slugc.trees import make_tree

NAMES = [
    b"./app/a",
    b"./app/" + b"n" * 94,
    b"./app/" + b"n" * 95,
    b"./app/" + b"d" * 100 + b"/" + b"f" * 100,
    b"./app/" + b"d" * 149 + b"/" + b"f" * 100,
    b"./app/" + b"d" * 150 + b"/" + b"f" * 100,
    b"./app/d/" + b"f" * 101,
    b"./app/" + b"d/" * 100 + b"f",
    b"./app/" + "é".encode() * 120,
    b"./app/\xff\xfe",
    b"./app/new\nline",
]


@pytest.mark.parametrize("name", NAMES)
def test_python_reads_what_we_write(name: bytes) -> None:
    block = header(name, MemberKind.FILE, size=3, executable=True) + b"abc".ljust(512, b"\0")
    with tarfile.open(fileobj=io.BytesIO(block + bytes(1024))) as archive:
        (member,) = archive.getmembers()
        assert os.fsencode(member.name) == name
        assert (member.mode, member.mtime, member.uid, member.uname) == (0o755, MODIFIED, 0, "")
        content = archive.extractfile(member)
        assert content is not None
        assert content.read() == b"abc"


@pytest.mark.parametrize("length", [1, 100, 101, 4095])
def test_link_targets_of_any_length(length: int) -> None:
    block = header(b"./app/l", MemberKind.SYMLINK, target=b"t" * length)
    with tarfile.open(fileobj=io.BytesIO(block + bytes(1024))) as archive:
        assert archive.getmembers()[0].linkname == "t" * length


def test_size_beyond_octal_goes_into_a_pax_header() -> None:
    block = header(b"./app/huge", MemberKind.FILE, size=1 << 34)
    with tarfile.open(fileobj=io.BytesIO(block + bytes(1024))) as archive:
        member = archive.next()
        assert member is not None
        assert member.size == 1 << 34


def test_header_that_fits_takes_one_block() -> None:
    assert len(header(b"./app/a", MemberKind.FILE)) == 512
    assert len(header(b"./app/" + b"d" * 140 + b"/" + b"f" * 99, MemberKind.FILE)) == 512


def test_gnu_tar_lists_what_we_write(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", {"é" * 60 + "/" + "f" * 120: "x", "d/e": "y"})
    entries = scan_tree(tree, DEFAULT_LIMITS)
    stream = b"".join(tar_bytes(tree, entries)) + bytes(1024)
    argv = ("tar", "-tf", "-", "--quoting-style=literal")
    done = subprocess.run(argv, input=stream, capture_output=True, check=True)
    assert done.stderr == b""
    expected = [b"./app/", b"./app/d/", b"./app/d/e"]
    long = "é".encode() * 60
    expected += [b"./app/" + long + b"/", b"./app/" + long + b"/" + b"f" * 120]
    assert done.stdout.splitlines() == expected


def test_file_that_grows_while_packed_is_noticed(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"a": "x" * 100, "b": "y"})
    entries = scan_tree(tree, DEFAULT_LIMITS)
    (tree / "b").write_text("yy")
    with pytest.raises(SourceChangedError) as caught:
        list(tar_bytes(tree, entries))
    assert caught.value.text() == (
        "The app changed during the build\n\n"
        "'b' was written to while it was packed.\n\n"
        "Build again when nothing writes to it."
    )


@pytest.mark.parametrize("change", ["removed", "shrunk", "replaced", "linked", "fifo"])
def test_file_that_changes_while_packed_is_noticed(tmp_path: Path, change: str) -> None:
    tree = make_tree(tmp_path, {"a": "x" * 100})
    entries = scan_tree(tree, DEFAULT_LIMITS)
    match change:
        case "shrunk":
            (tree / "a").write_text("x")
        case "replaced":
            (tree / "b").write_text("z" * 100)
            (tree / "b").replace(tree / "a")
        case _:
            (tree / "a").unlink()
    if change == "linked":
        (tree / "a").symlink_to("/etc/hostname")
    if change == "fifo":
        os.mkfifo(tree / "a")
    with pytest.raises(SourceChangedError):
        list(tar_bytes(tree, entries))


def _mixed(size: int) -> bytes:
    return b"".join(bytes([number % 251]) * (number % 97) for number in range(size // 48))


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_zstd_bytes_do_not_depend_on_the_number_of_workers(workers: int) -> None:
    data = _mixed(24 * 1024 * 1024)
    frames = []
    for count in (2, workers):
        frame = ZstdFrame(workers=count)
        frames.append(frame.compress(data) + frame.finish())
    assert frames[0] == frames[1]


def test_frames_do_not_depend_on_the_size_of_the_pieces() -> None:
    data = _mixed(6 * 1024 * 1024)
    for make in (ZstdFrame, GzipMember):
        whole, pieces = make(), make()
        once = whole.compress(data) + whole.finish()
        parts = [pieces.compress(data[at : at + 77_777]) for at in range(0, len(data), 77_777)]
        assert b"".join(parts) + pieces.finish() == once


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    """A 600 MB file, sparse on the disk, packed within 150 MiB of memory."""
    with (tmp_path / "big").open("wb") as big:
        big.truncate(600_000_000)
    code = f"""
from pathlib import Path
from slugc.packing.frames import FrameMaker
from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.scan import scan_tree
from slugc.packing.layers import plan_layers
from slugc.slug import SlugFormat
from slugc.store import Store
tree, store = Path({str(tmp_path)!r}), Store(Path({str(tmp_path / "store")!r}))
(plan,) = plan_layers(scan_tree(tree, DEFAULT_LIMITS))
store.create()
FrameMaker(store, tree, SlugFormat.ZSTD).ensure([plan])
print(*(x.split()[1] for x in open("/proc/self/status") if x.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert int(done.stdout) < 150 * 1024


@pytest.mark.parametrize("what", ["d/f", "d"])
def test_a_link_to_the_very_file_that_was_scanned_is_not_followed(
    tmp_path: Path, what: str
) -> None:
    """Layers are packed while build code runs, and it may move things and leave links."""
    tree = make_tree(tmp_path / "tree", {"d/f": "x"})
    entries = scan_tree(tree, DEFAULT_LIMITS)
    (tree / what).rename(tmp_path / "elsewhere")
    (tree / what).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceChangedError):
        b"".join(tar_bytes(tree, entries))
