"""Sources nobody should have, whole builds of them: bad-inputs.md, rows 105 to 116."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slugc.privileges import RUN_UID, in_dropped_child, run_identity
from slugc.sources.errors import (
    SourceChangedError,
    SourceTooLargeError,
    SourceUnreadableError,
)
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.source import Source, SourceKind, stage_source
from slugc.sources.staging import Stager
from tests.integration.build_support import Builder, Outcome, make_app, make_buildpack

MIB = 1024 * 1024


@pytest.fixture
def app(open_dir: Path) -> Path:
    return make_app(open_dir / "app")


@pytest.fixture
def build(open_dir: Path) -> Callable[..., Outcome]:
    """One build of a source with a buildpack that does nothing."""
    builder, pack = Builder(home=open_dir / "data"), make_buildpack(open_dir / "pack")

    def build(source: Path | str, *options: str) -> Outcome:
        return builder.build(source, "-b", pack, *options)

    return build


def staged(source: Path, tmp_path: Path) -> Path:
    target = tmp_path / "build"
    target.mkdir()
    where = Source(kind=SourceKind.DIRECTORY, location=str(source))
    stage_source(where, target, scratch=tmp_path / "scratch", env={}, ours=frozenset())
    return target


def said(outcome: Outcome) -> str:
    """What the build said, without the marks before each line."""
    return re.sub(r"(?m)^ !( {5})?", "", outcome.stderr)


# 105: links


@pytest.mark.parametrize("target", ["itself", ".", "gone", "sub/..", "sub/up/sub"])
def test_links_that_stay_are_kept_as_links(
    build: Callable[..., Outcome], app: Path, target: str
) -> None:
    (app / "sub").mkdir()
    (app / "sub" / "up").symlink_to("..")
    (app / "itself").symlink_to(target)
    assert "itself" in build(app).names()


@pytest.mark.parametrize("target", ["../..", "/etc/passwd", "sub/../../x"])
def test_a_link_that_leaves_is_refused_by_name(
    build: Callable[..., Outcome], app: Path, target: str
) -> None:
    (app / "away").symlink_to(target)
    outcome = build(app)
    assert (outcome.code, outcome.stdout) == (65, "")
    assert f"    away: a link out of the source, to {target}\n" in outcome.stderr
    assert not outcome.slug.exists()


# 106: what is no file


def test_a_fifo_a_socket_and_a_device_are_refused_at_once(
    build: Callable[..., Outcome], app: Path
) -> None:
    os.mkfifo(app / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(app / "sock"))
    wanted = ["pipe: a FIFO", "sock: a socket"]
    if os.getuid() == 0:
        os.mknod(app / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(app / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 99))
        wanted += ["null: a character device", "disk: a block device"]
    started = time.monotonic()
    outcome = build(app)
    assert time.monotonic() - started < 5
    assert outcome.code == 65
    for line in wanted:
        assert f"    {line}\n" in outcome.stderr


# 107: names

ODD = (
    b"new\nline",
    b"car\rriage",
    b"\x1b[31mred\x1b[0m",
    b"-rf",
    b"--checkpoint-action=exec=id",
    b" ",
    b" lead and trail ",
    b"\xff\xfe\x80",
    b"x" * 255,
    "e\u0301".encode(),  # the same letter, written in two ways
    "\u00e9".encode(),
    b"README",
    b"readme",
    b"CON",
    b"*",
    b"a\\b",
    b"'\"$(id)`",
)


def test_odd_names_come_out_byte_for_byte(
    build: Callable[..., Outcome], app: Path, open_dir: Path
) -> None:
    for number, name in enumerate(ODD):
        (app / os.fsdecode(name)).write_text(str(number))
    outcome = build(app)
    assert outcome.code == 0, outcome.stderr
    out = open_dir / "out"
    out.mkdir()
    argv = ["tar", "--zstd", "-xf", str(outcome.slug), "-C", str(out)]
    subprocess.run(argv, check=True, timeout=30)
    for number, name in enumerate(ODD):
        assert (out / "app" / os.fsdecode(name)).read_text() == str(number)


def test_odd_names_are_shown_escaped(build: Callable[..., Outcome], app: Path) -> None:
    for name in ODD[:3]:
        (app / os.fsdecode(name)).symlink_to("/etc/passwd")
    outcome = build(app)
    assert outcome.code == 65
    assert "\x1b[31m" not in outcome.stderr
    assert "new\\nline: a link out" in outcome.stderr
    assert "\\x1b[31mred\\x1b[0m: a link out" in outcome.stderr


# 108: long and deep


@contextlib.contextmanager
def deep_tree(root: Path, name: str, depth: int) -> Iterator[None]:
    """Directories of that name, one in the other: deeper than any path can say."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", root / name], check=True, timeout=30)


@pytest.mark.parametrize(("name", "depth"), [("d", 5000), ("n" * 200, 30)])
def test_a_tree_that_is_too_deep_is_refused_by_name(
    build: Callable[..., Outcome], app: Path, name: str, depth: int
) -> None:
    with deep_tree(app, name, depth):
        started = time.monotonic()
        outcome = build(app)
        assert time.monotonic() - started < 5
    assert outcome.code == 65
    assert "Traceback" not in outcome.stderr
    words = "deeper than 64 directories" if name == "d" else "bytes; at most 3,840"
    assert words in outcome.stderr


@pytest.mark.parametrize("where", ["$1", "$2", "$3"], ids=["build", "cache", "env"])
def test_a_build_that_digs_itself_in_is_told_or_tidied_up(
    app: Path, open_dir: Path, where: str
) -> None:
    """In build dir, cache and ENV_DIR: the next build begins as if nothing had been."""
    down = 'import os; [(os.mkdir("d"), os.chdir("d")) for _ in range(3000)]'
    dig = f"cd {where} && python3 -c '{down}'"
    builder = Builder(home=open_dir / "data")
    try:
        outcome = builder.build(app, "-b", make_buildpack(open_dir / "dig", compile=dig))
        assert outcome.code == (65 if where == "$1" else 0), outcome.stderr
        assert "Traceback" not in outcome.stderr
        again = builder.build(app, "-b", make_buildpack(open_dir / "plain"))
        assert again.code == 0, again.stderr
    finally:
        tries = iter(range(50))  # what builds leave is swept behind our back
        while subprocess.run(["rm", "-rf", builder.home], check=False, timeout=30).returncode:
            assert next(tries, None) is not None
            time.sleep(0.2)


# 109: many, large, hollow


@pytest.fixture
def fast_dir() -> Iterator[Path]:
    """In memory where there is room for it: a disk takes a minute for so many files."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.statvfs(shared).f_favail > 1_000_000
    with tempfile.TemporaryDirectory(dir=shared if roomy else None) as name:
        yield Path(name)


def test_two_hundred_thousand_tiny_files_fit_and_one_more_does_not(fast_dir: Path) -> None:
    source, target = fast_dir / "many", fast_dir / "build"
    target.mkdir()
    for directory in range(199):
        (source / f"d{directory:03}").mkdir(parents=True)
        for number in range(1004):
            os.close(os.open(f"{source}/d{directory:03}/{number}", os.O_CREAT | os.O_WRONLY))
    for number in range(5):
        (source / f"last{number}").write_text("x")
    assert peak_of(source, target) < 150 * MIB
    assert (target / "last4").exists()

    (source / "a").touch()  # comes before all others, so the last one is one too many
    (fast_dir / "again").mkdir()
    with pytest.raises(SourceTooLargeError) as caught:
        Stager(rules=IgnoreRules(), owner=run_identity()).copy(source, fast_dir / "again")
    assert caught.value.brief == (
        "The source is larger than a slug may be: 200,001 entries, 200,000 are allowed"
    )
    assert len(caught.value.weight.biggest) == 10


STAGE_AND_PACK = """
import re, sys
from pathlib import Path
from slugc.privileges import run_identity
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.staging import Stager
source, target, pack = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
Stager(rules=IgnoreRules(), owner=run_identity()).copy(source, target)
if pack:
    from slugc.packing.slug_writer import write_slug
    from slugc.store import Store
    from tests.unit.slugc.trees import FACTS
    write_slug(target, Path(pack[0]), facts=FACTS, store=Store(Path(pack[1])))
# Not getrusage: that is inherited from whoever started us (setmax_mm_hiwater_rss in fs/exec.c).
peak = re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) * 1024)
"""


def peak_of(source: Path, target: Path, *pack: Path) -> int:
    """Bytes of memory that copying ``source`` (and packing it) took, in a process of its own."""
    argv = [sys.executable, "-c", STAGE_AND_PACK, str(source), str(target), *map(str, pack)]
    done = subprocess.run(
        argv,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_file_of_two_gigabytes_is_streamed(open_dir: Path) -> None:
    source, target = open_dir / "app", open_dir / "build"
    source.mkdir()
    target.mkdir()
    with (source / "data.bin").open("wb") as file:
        for number in range(8):  # noise here and there: neither all hole nor all data
            file.seek(number * 250 * 1000 * 1000)
            file.write(os.urandom(MIB))
        file.truncate(2_000_000_000)
    assert peak_of(source, target, open_dir / "x.slug", open_dir / "store") < 150 * MIB
    copy = (target / "data.bin").stat()
    assert copy.st_size == 2_000_000_000
    assert copy.st_blocks * 512 < 20 * MIB  # the holes came along as holes
    assert (open_dir / "x.slug").stat().st_size < 10 * MIB


@pytest.mark.parametrize("size", [3 * 1000**3, 1024**4])
def test_a_file_larger_than_a_slug_is_refused_before_it_is_read(
    build: Callable[..., Outcome], app: Path, size: int
) -> None:
    (app / "data").mkdir()
    with (app / "data" / "disk.img").open("wb") as file:
        file.truncate(size)
        file.write(b"x")
    started = time.monotonic()
    outcome = build(app)
    assert time.monotonic() - started < 5
    assert outcome.code == 65
    assert f"data/disk.img is sparse: {size:,} bytes, of which 4,096 are on" in outcome.stderr
    assert f"{size + 6:,} bytes, 2,147,483,648 are allowed" in outcome.stderr
    assert f"{size / 1e6:12,.1f} MB          1 entries  data\n" in outcome.stderr


def test_a_slug_larger_than_asked_for_names_the_ten_biggest_directories(
    build: Callable[..., Outcome], app: Path
) -> None:
    for number in range(12):
        (app / f"dir{number:02}").mkdir()
        (app / f"dir{number:02}" / "noise").write_bytes(os.urandom(20_000 + number * 1000))
    outcome = build(app, "--max-size", "100K")
    assert outcome.code == 65
    assert "packed bytes, 100,000 are allowed" in outcome.stderr
    assert outcome.stderr.count(" MB  dir") == 10
    assert "dir11" in outcome.stderr
    assert "dir00" not in outcome.stderr
    assert "slugc build --max-size" in outcome.stderr
    assert build(app, "--max-size", "1M", "--warn-size", "100K").stderr.count("larger than") == 1


# 110: a source that changes while it is read


class Meddler:
    """Somebody who does something to a file whenever a build begins to copy it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, act: Callable[[], None]):
        self.left, self._act = times, act
        pour = os.sendfile

        def and_meddle(out: int, reader: int, offset: None, count: int) -> int:
            if self.left and os.lseek(reader, 0, os.SEEK_CUR) == 0:
                self.left -= 1
                self._act()
            return pour(out, reader, offset, count)

        monkeypatch.setattr(os, "sendfile", and_meddle)


def _grow(path: Path) -> None:
    with path.open("a") as file:
        file.write("more")


def _rewrite(path: Path) -> None:
    """The same size, another content."""
    before = path.stat().st_mtime_ns
    path.write_text("HELLO\n")
    os.utime(path, ns=(before + 1, before + 1))


CHANGES: dict[str, Callable[[Path], None]] = {
    "grows": _grow,
    "shrinks": lambda path: os.truncate(path, 1),
    "is emptied": lambda path: os.truncate(path, 0),
    "is rewritten": _rewrite,
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_changes_once_is_read_again(
    app: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    Meddler(monkeypatch, 1, lambda: CHANGES[what](app / "app_txt"))
    copy = staged(app, open_dir) / "app_txt"
    assert copy.read_bytes() == (app / "app_txt").read_bytes() != b"hello\n"


@pytest.mark.parametrize("what", ["grows", "is rewritten"])
def test_a_file_that_changes_again_ends_the_build(
    app: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    Meddler(monkeypatch, 2, lambda: CHANGES[what](app / "app_txt"))
    with pytest.raises(SourceChangedError, match="changed during the build"):
        staged(app, open_dir)


def _to_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _to_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _to_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _replace(path: Path) -> None:
    path.with_name("new").write_text("other\n")
    path.with_name("new").rename(path)


SWAPS: dict[str, Callable[[Path], None]] = {
    "vanishes": Path.unlink,
    "becomes a link": _to_link,
    "becomes a FIFO": _to_fifo,
    "becomes a directory": _to_directory,
    "becomes another file": _replace,
}


@pytest.mark.parametrize("what", SWAPS)
def test_a_file_that_is_swapped_between_look_and_open_is_noticed(
    app: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (app / "z").write_text("so that something is left\n")
    opened, swaps = os.open, iter([SWAPS[what]])

    def open_too_late(name: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if name == "app_txt" and not flags & os.O_CREAT:
            for swap in swaps:
                swap(app / "app_txt")
        return opened(name, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", open_too_late)
    rules = IgnoreRules()
    target = open_dir / "target"
    target.mkdir()
    with pytest.raises(SourceChangedError) as caught:
        Stager(rules=rules, owner=run_identity()).copy(app, target)
    assert (caught.value.exit_code, caught.value.name) == (75, "app_txt")


def test_a_source_that_never_rests_ends_with_75(build: Callable[..., Outcome], app: Path) -> None:
    """Somebody writes to one large file all the time."""
    stop = threading.Event()
    log = app / "log"
    log.write_bytes(bytes(40 * MIB))

    def write_on() -> None:
        with log.open("ab", buffering=0) as file:
            while not stop.wait(0.0005):
                file.write(b"x" * 100)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        outcome = build(app)
    finally:
        stop.set()
        writer.join()
    assert outcome.code == 75
    assert "The source changed during the build\n\n    log\n" in said(outcome)


# 111: not ours to read


@pytest.mark.skipif(os.getuid() != 0, reason="root can be somebody else")
def test_all_that_cannot_be_read_is_listed(open_dir: Path) -> None:
    source, target = open_dir / "app", open_dir / "build"
    for path in (source / "closed", source / "shut", target):
        path.mkdir(parents=True)
    (source / "fine").write_text("x")
    (source / "secret").write_text("x")
    for name in ("closed", "shut", "secret"):
        (source / name).chmod(0)
    os.chown(target, RUN_UID, RUN_UID)
    with pytest.raises(SourceUnreadableError) as caught:
        in_dropped_child(lambda: _copied(source, target))
    assert caught.value.names == ("closed", "secret", "shut")
    assert caught.value.exit_code == 77


def _copied(source: Path, target: Path) -> None:
    Stager(rules=IgnoreRules(), owner=run_identity()).copy(source, target)


# 112: modes, attributes, links between files


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


# 113: secrets

SECRETS = (".env", ".env.production", "id_rsa", "server.pem", ".netrc", "pip.conf", ".pypirc")


def test_secrets_are_warned_about_and_strictly_refused(
    build: Callable[..., Outcome], app: Path
) -> None:
    for name in SECRETS:
        (app / name).write_text("x")
    (app / ".aws").mkdir()
    (app / ".aws" / "credentials").write_text("x")
    (app / ".env.example").write_text("x")
    (app / ".git").mkdir()
    (app / ".git" / "config").write_text("url = https://me:canary@host/app\n")

    told = build(app)
    assert told.code == 0
    assert "The slug will hold .aws, .env, .env.production and 5 more, which may be" in told.stderr
    assert not [name for name in told.names() if name.startswith(".git")]

    refused = build(app, "--strict-secrets", "--no-cache")
    assert refused.code == 65
    assert "The source holds files that may be secret\n\n    .aws\n    .env\n" in said(refused)
    for name in (*SECRETS, ".aws"):
        assert f"    {name}\n" in refused.stderr
    assert ".env.example" not in refused.stderr
    (app / ".slugignore").write_text("\n".join((*SECRETS, ".aws")))
    assert build(app, "--strict-secrets").code == 0


# 114: not an app


def test_what_is_no_source_is_refused(build: Callable[..., Outcome], open_dir: Path) -> None:
    (open_dir / "empty").mkdir()
    (open_dir / "app.py").touch()
    for source, code, words in (
        ("/", 65, "/ is the root directory, not an app"),
        (os.environ["HOME"], 65, "is a home directory, not an app"),
        ("nowhere", 66, "There is no source at nowhere"),
        ("empty", 65, "holds no file to build from"),
        ("app.py", 65, "app.py is not something to build"),
    ):
        outcome = build(source)
        assert outcome.code == code, outcome.stderr
        assert words in outcome.stderr
        assert outcome.stdout == ""


# 115: clocks


@pytest.mark.parametrize("when", [-(10**9), 0, 2**31 + 5, 4_354_819_200, 2**33])
def test_strange_times_change_nothing(build: Callable[..., Outcome], app: Path, when: int) -> None:
    expected = build(app).metadata.checksum
    os.utime(app / "app_txt", (when, when))
    os.utime(app, (when, when))
    assert build(app, "--no-cache").metadata.checksum == expected


# 116: what a machine left there


def test_virtualenvs_modules_and_caches_stay_behind(
    build: Callable[..., Outcome], app: Path
) -> None:
    for name in ("venv/pyvenv.cfg", "web/package.json", "web/node_modules/a/index.js"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")
    for name in ("pkg/__pycache__/a.pyc", "vendor/node_modules/kept.js"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")

    outcome = build(app)

    assert outcome.code == 0
    names = outcome.names()
    assert {"web/package.json", "vendor/node_modules/kept.js"} <= names
    assert not {"venv", "web/node_modules", "pkg/__pycache__"} & names
    assert "Left out: venv. A virtualenv names paths" in outcome.stderr
    assert "Left out: web/node_modules. What package.json asks for" in outcome.stderr

    (app / ".slugignore").write_text("!node_modules\n")
    assert "web/node_modules/a/index.js" in build(app).names()
