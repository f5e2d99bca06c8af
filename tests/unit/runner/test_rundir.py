"""Live state on disk: private, locked while its run lives, swept afterwards."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines import rundir
from runner.engines.embedded.processes import children, descendants, only_child
from runner.engines.rundir import RunDir, RunDirError, create_run_dir, sweep


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A user's environment, whoever runs the tests; its path fits a socket's address."""
    with tempfile.TemporaryDirectory() as runtime:
        candidate = Path(runtime) / "slugkit"
        monkeypatch.setattr(rundir, "_socket_candidates", lambda env: iter([candidate]))
        yield {"XDG_RUNTIME_DIR": runtime}


def ignore(run_id: str) -> None:
    """An engine that has nothing else to give back."""


def test_run_dir_is_ours_alone_and_gone_when_removed(tmp_path: Path, env: dict[str, str]) -> None:
    run = create_run_dir(tmp_path, env, engine="embedded")
    assert run.id.startswith("embedded-")
    assert run.root == tmp_path / "run" / run.id
    assert run.root.stat().st_mode & 0o777 == (0o710 if os.getuid() == 0 else 0o700)
    assert run.root.stat().st_uid == os.getuid()
    assert run.sockets.stat().st_mode & 0o777 == 0o700
    run.remove()
    assert not run.root.exists()
    assert not run.sockets.exists()


def test_sweep_leaves_the_living_and_takes_the_dead(tmp_path: Path, env: dict[str, str]) -> None:
    living = create_run_dir(tmp_path, env, engine="embedded")
    dead = create_run_dir(tmp_path, env, engine="embedded")
    (dead.root / "web.1-1").mkdir()
    os.close(dead.lock)  # what the kernel does for a process that was killed
    heard: list[str] = []
    assert sweep(tmp_path, env, engine="embedded", also=heard.append) == (dead.id,)
    assert heard == [dead.id]
    assert living.root.exists()
    assert not dead.root.exists()
    assert not dead.sockets.exists()
    living.remove()


def test_what_cannot_be_removed_keeps_no_app_from_starting(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group that is still busy, a file with an attribute, a mount: of a run long dead."""
    stuck, dead = sorted(
        (create_run_dir(tmp_path, env, engine="embedded") for _ in range(2)), key=lambda run: run.id
    )
    for run in (stuck, dead):
        os.close(run.lock)

    def refuse(run_id: str) -> None:
        if run_id == stuck.id:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    assert sweep(tmp_path, env, engine="embedded", also=refuse) == (dead.id,)
    assert stuck.root.exists()
    assert not dead.root.exists()
    assert sweep(tmp_path, env, engine="embedded", also=ignore) == (stuck.id,)


def test_others_may_begin_while_the_dead_are_swept(tmp_path: Path, env: dict[str, str]) -> None:
    """What a killed container left may take minutes to delete."""
    dead = create_run_dir(tmp_path, env, engine="embedded")
    os.close(dead.lock)
    begun: list[RunDir] = []

    def begin(_: str) -> None:
        begun.append(create_run_dir(tmp_path, env, engine="embedded"))

    assert sweep(tmp_path, env, engine="embedded", also=begin) == (dead.id,)
    assert begun[0].root.is_dir()
    begun[0].remove()


def test_sweep_takes_what_was_killed_before_it_had_a_lock(
    tmp_path: Path, env: dict[str, str]
) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run/embedded-11111111").mkdir()
    assert sweep(tmp_path, env, engine="embedded", also=ignore) == ("embedded-11111111",)


def test_sweep_leaves_other_engines_runs_to_them(tmp_path: Path, env: dict[str, str]) -> None:
    dead = create_run_dir(tmp_path, env, engine="host")
    os.close(dead.lock)
    assert sweep(tmp_path, env, engine="embedded", also=ignore) == ()
    assert dead.root.exists()


def test_sweep_of_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    assert sweep(tmp_path, env, engine="embedded", also=ignore) == ()


def test_directory_others_may_write_is_refused(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(RunDirError) as caught:
        create_run_dir(tmp_path, env, engine="embedded")
    assert caught.value.exit_code == 73
    assert caught.value.text() == (
        f"The run directory {tmp_path}/run cannot be used\n\n"
        "Others may write there (mode 0777).\n\n"
        "Remove it, or set XDG_RUNTIME_DIR to a directory of your own."
    )


@pytest.mark.parametrize("changed", [0o700, 0o755, 0o600])
def test_a_directory_that_was_closed_or_opened_is_as_it_has_to_be_again(
    changed: int, tmp_path: Path, env: dict[str, str]
) -> None:
    """slirp4netns, which is not root, has to get through, and nobody has to look in."""
    directory = tmp_path / "run"
    directory.mkdir()
    directory.chmod(changed)
    os.close(create_run_dir(tmp_path, env, engine="embedded").lock)
    assert stat.S_IMODE(directory.stat().st_mode) == (0o711 if os.getuid() == 0 else 0o700)


def test_link_in_place_of_the_directory_is_refused(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to("elsewhere")
    with pytest.raises(RunDirError, match="cannot be used") as caught:
        create_run_dir(tmp_path, env, engine="embedded")
    assert caught.value.found == "It is not a directory."


def test_directory_of_somebody_else_is_refused(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    real = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: real + 1)
    with pytest.raises(RunDirError) as caught:
        create_run_dir(tmp_path, env, engine="embedded")
    assert caught.value.found == f"It belongs to uid {real}, not to uid {real + 1}."


def test_path_too_long_for_a_socket_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    monkeypatch.setattr(rundir, "_socket_candidates", lambda env: iter([long]))
    with pytest.raises(RunDirError) as caught:
        create_run_dir(tmp_path, {"XDG_RUNTIME_DIR": str(long)}, engine="embedded")
    assert caught.value.found == "Its path is too long for a socket."


def test_sockets_of_a_user_go_where_its_session_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    candidates = rundir._socket_candidates
    own = Path("/tmp/slugkit-1234")
    assert list(candidates({"XDG_RUNTIME_DIR": str(tmp_path)})) == [tmp_path / "slugkit", own]
    assert list(candidates({"XDG_RUNTIME_DIR": "/missing"})) == [own]
    assert list(candidates({})) == [own]


# Who is whose child


def test_children_and_descendants_are_read_from_proc() -> None:
    code = "import os, sys; pid = os.fork(); os.write(1, b'up\\n'); sys.stdin.read()"
    argv = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"up\n"] * 2
        (child,) = children(process.pid)
        assert process.pid in children(os.getpid())
        assert only_child(process.pid) == child
        assert only_child(child) is None
        assert descendants(process.pid) == {child}
        assert {process.pid, child} <= descendants(os.getpid())
        process.communicate(b"")


def test_the_only_child_is_looked_for_where_the_kernel_keeps_no_plain_list(tmp_path: Path) -> None:
    for pid, parent in ((2, 1), (3, 2)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) S {parent} 1 1 0")
    assert only_child(2, tmp_path) == 3
    listed = tmp_path / "2" / "task" / "2" / "children"
    listed.parent.mkdir(parents=True)
    listed.write_text("3 ")
    assert only_child(2, tmp_path) == 3
    listed.write_text("7 3 ")  # one is coming or going: both were read, which is which was not
    assert only_child(2, tmp_path) == 3
    assert only_child(3, tmp_path) is None


def test_process_names_may_hold_parentheses_and_spaces(tmp_path: Path) -> None:
    for pid, name, parent in ((2, "a) S 9 (", 1), (3, "b", 2)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0")
    (tmp_path / "4").mkdir()  # ended while we looked
    (tmp_path / "self").mkdir()
    assert descendants(1, tmp_path) == {2, 3}


def test_sweep_refuses_a_run_directory_somebody_put_in_its_place(
    tmp_path: Path, env: dict[str, str]
) -> None:
    (tmp_path / "elsewhere/embedded-12345678").mkdir(parents=True)
    (tmp_path / "run").symlink_to("elsewhere")
    with pytest.raises(RunDirError, match="cannot be used"):
        sweep(tmp_path, env, engine="embedded", also=ignore)
    assert (tmp_path / "elsewhere/embedded-12345678").is_dir()
