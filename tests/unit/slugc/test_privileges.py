"""Root's rights are dropped for good, and what the child found comes back."""

from __future__ import annotations

import os
import pty
import pwd
import shutil
import signal
import stat
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from buildpack.support.command import Command, CommandFailedError, capture
from buildpack.support.errors import ExitCode, SlugkitError
from slugc.archive.errors import UnsafeMemberError
from slugc.privileges import (
    RUN_GID,
    RUN_UID,
    ChildLostError,
    DataDirError,
    data_dir,
    drop_prefix,
    hand_over,
    hand_over_streams,
    home_path,
    in_dropped_child,
    run_identity,
)

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root has rights to drop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    path: Path
    uid: int


def test_value_comes_back() -> None:
    found = in_dropped_child(lambda: Answer(path=Path("x"), uid=os.getuid()))
    assert found == Answer(path=Path("x"), uid=run_identity().uid)


@AS_ROOT
def test_child_has_no_rights_left_and_cannot_get_them_back() -> None:
    def look() -> tuple[object, ...]:
        try:
            os.setuid(0)
        except PermissionError:
            back = "no"
        else:
            back = "yes"
        return os.getresuid(), os.getresgid(), os.getgroups(), back

    assert in_dropped_child(look) == ((RUN_UID,) * 3, (RUN_GID,) * 3, [], "no")


@AS_ROOT
def test_child_is_in_none_of_our_groups() -> None:
    ours = os.getgroups()
    os.setgroups([*ours, 4])  # as root's shell mostly is
    try:
        assert in_dropped_child(os.getgroups) == []
    finally:
        os.setgroups(ours)


def test_our_errors_come_back_with_their_facts() -> None:
    def refuse() -> None:
        raise UnsafeMemberError(b"a\xff", "it is a FIFO")

    with pytest.raises(UnsafeMemberError) as caught:
        in_dropped_child(refuse)
    assert (caught.value.member, caught.value.reason) == (b"a\xff", "it is a FIFO")
    assert "'a\\xff': it is a FIFO." in caught.value.text()


REFUSE = """
from slugc.archive.errors import UnsafeMemberError
from slugc.privileges import in_dropped_child
def refuse():
    raise UnsafeMemberError(b"a", "it is a FIFO")
try:
    in_dropped_child(refuse)
except UnsafeMemberError as error:
    print(error.reason)
"""


@AS_ROOT
def test_errors_come_back_where_slugkit_lies_closed_to_the_child(tmp_path: Path) -> None:
    """As in /root: the child reads no module that was not read before."""
    assert not tmp_path.parent.stat().st_mode & 0o077
    for room in ("buildpack", "slugc"):
        ignored = shutil.ignore_patterns("__pycache__", "data")
        shutil.copytree(Path(__file__).parents[3] / room, tmp_path / room, ignore=ignored)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    argv = (sys.executable, "-c", REFUSE)
    asked = Command(argv=argv, cwd=tmp_path, env=env, timeout=30)
    assert capture(asked) == "it is a FIFO\n"


def test_system_errors_come_back_as_what_they_are() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        in_dropped_child(lambda: Path("/does/not/exist").read_bytes())
    assert caught.value.filename == "/does/not/exist"


@AS_ROOT
def test_bug_in_the_child_brings_its_traceback() -> None:
    def fail() -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(ChildLostError) as caught:
        in_dropped_child(fail)
    assert caught.value.exit_code is ExitCode.BUG
    assert "ZeroDivisionError: oops" in caught.value.details


@AS_ROOT
def test_child_that_dies_is_noticed() -> None:
    with pytest.raises(ChildLostError) as caught:
        in_dropped_child(lambda: os.kill(os.getpid(), 9))
    assert caught.value.text() == (
        "A helper process of Slugkit ended without an answer\n\nwait status 9"
    )


class Trojan:
    """What a hijacked child could send: a call made while it is read."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


@AS_ROOT
def test_answer_that_would_run_code_is_refused() -> None:
    import pickle

    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system is no answer"):
        in_dropped_child(Trojan)


def test_interrupted_child_cleans_up(open_dir: Path) -> None:
    """Ctrl-C while something is unpacked: the half-made tree goes, then we do."""
    os.chown(open_dir, run_identity().uid, run_identity().gid)
    half = open_dir / "half"

    def work() -> None:
        try:
            half.mkdir()
            time.sleep(30)
        finally:
            time.sleep(0.1)
            half.rmdir()

    parent = os.fork()
    if parent == 0:
        try:
            in_dropped_child(work)
        finally:
            os._exit(9)
    while not half.exists():
        time.sleep(0.005)
    os.kill(parent, signal.SIGINT)
    os.waitpid(parent, 0)
    assert not half.exists()


def test_drop_prefix_is_for_root_alone() -> None:
    expected = ("setpriv", "--reuid", "1879050000", "--regid", "1879050000", "--clear-groups", "--")
    assert drop_prefix() == (expected if os.getuid() == 0 else ())


def test_data_dir_is_made_where_told(tmp_path: Path) -> None:
    found = data_dir({"SLUGKIT_HOME": str(tmp_path / "a/b")})
    assert found == tmp_path / "a/b"
    mode = stat.S_IMODE(found.stat().st_mode)
    assert mode == (0o710 if os.getuid() == 0 else 0o700)
    assert found.stat().st_uid == os.getuid()
    assert found.stat().st_gid == run_identity().gid


@AS_ROOT
def test_roots_data_dir_is_roots_and_builds_only_pass_through(open_dir: Path) -> None:
    home = data_dir({"SLUGKIT_HOME": str(open_dir / "home")})
    (home / "store").mkdir()
    hand_over(home / "store")

    def attempt() -> str:
        (home / "store/layer").touch()
        try:
            (home / "store").rename(home / "gone")
        except PermissionError:
            return "refused"
        return "renamed"

    assert in_dropped_child(attempt) == "refused"


@AS_ROOT
def test_streams_of_ours_can_be_opened_without_roots_rights() -> None:
    pipe, terminal = os.pipe(), pty.openpty()
    null = os.open(os.devnull, os.O_RDWR)
    descriptors = (*pipe, *terminal, null)
    before = os.fstat(null)

    hand_over_streams((None, pipe[1], terminal[1], null))

    def open_again() -> str:
        for each in (pipe[1], terminal[1]):
            os.close(os.open(f"/proc/self/fd/{each}", os.O_WRONLY | os.O_NOCTTY))
        return "opened"

    assert in_dropped_child(open_again) == "opened"
    assert os.fstat(null).st_uid == before.st_uid, "the machine's own devices stay whose they are"
    for each in descriptors:
        os.close(each)


@AS_ROOT
def test_other_users_of_the_machine_do_not_enter_roots_data_dir(open_dir: Path) -> None:
    home = data_dir({"SLUGKIT_HOME": str(open_dir / "home")})
    look = Command(
        argv=("ls", str(home / "store")), cwd=Path("/"), env={"PATH": os.defpath, "LC_ALL": "C"}
    )
    (home / "store").mkdir(mode=0o755)
    with pytest.raises(CommandFailedError) as caught:
        capture(replace(look, uid=65534))
    assert "Permission denied" in caught.value.last_lines[-1]
    assert capture(replace(look, uid=RUN_UID)) == ""


@AS_ROOT
def test_a_data_dir_of_an_earlier_version_becomes_roots(tmp_path: Path) -> None:
    hand_over(tmp_path)
    (tmp_path / "store").mkdir()
    data_dir({"SLUGKIT_HOME": str(tmp_path)})
    found = tmp_path.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o710)


def test_data_dir_of_a_user(open_dir: Path) -> None:
    os.chown(open_dir, run_identity().uid, run_identity().gid)
    at_home = in_dropped_child(lambda: data_dir({"HOME": str(open_dir)}))
    assert at_home == open_dir / ".local/share/slugkit"
    assert stat.S_IMODE(at_home.stat().st_mode) == 0o700
    chosen = {"HOME": "/nonexistent", "XDG_DATA_HOME": str(open_dir / "x")}
    assert in_dropped_child(lambda: data_dir(chosen)) == open_dir / "x/slugkit"


def test_without_home_the_user_database_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    known = pwd.getpwuid(0)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: known)
    assert home_path({}) == home_path({"HOME": ""}) == known.pw_dir
    assert home_path({"HOME": "/elsewhere"}) == "/elsewhere"

    def is_unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", is_unknown)
    assert home_path({}) == "/nonexistent"


@AS_ROOT
def test_data_dir_with_another_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("")
    with pytest.raises(DataDirError) as caught:
        data_dir({"SLUGKIT_HOME": str(tmp_path)})
    assert caught.value.found == "It belongs to uid 0 and is not empty."
    assert tmp_path.stat().st_uid == 0


def test_data_dir_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError) as caught:
        data_dir({"SLUGKIT_HOME": str(tmp_path / "file/below")})
    assert caught.value.exit_code is ExitCode.CANNOT_CREATE
    assert isinstance(caught.value, SlugkitError)
    assert caught.value.text() == (
        f"Slugkit cannot use its data directory {tmp_path}/file/below\n\n"
        f"[Errno 20] Not a directory: '{tmp_path}/file/below'\n\n"
        "Make it writable, or set SLUGKIT_HOME to a directory that is."
    )
