"""What a build can ask of the kernel, tried from inside the embedded sandbox."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slugc.privileges import hand_over
from slugc.sandbox.base import SandboxCommand, SandboxRequest
from slugc.sandbox.embedded import EmbeddedSandbox
from slugc.sandbox.policy import AREA, WORK_DIR
from tests.integration.build_support import Builder, make_app, make_buildpack
from tests.integration.mounts import unmount_for_all, with_a_disk

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

TRY = """\
import ctypes, errno, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
if sys.argv[1] == "vsock":
    result, error = 0, 0
    try:
        socket.socket(socket.AF_VSOCK)
    except OSError as err:
        result, error = -1, err.errno
else:
    names = {"keyctl": b"keyctl", "io_uring": b"io_uring_setup", "userfaultfd": b"userfaultfd"}
    resolve = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name
    result = libc.syscall(resolve(names[sys.argv[1]]), 0, 0, 0, 0)
    error = ctypes.get_errno()
print(errno.errorcode[error] if result < 0 else "allowed")
"""


@pytest.fixture
def work_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="slugkit-test-") as name:
        Path(name).chmod(0o711)
        work = Path(name) / "work"
        for directory in (work, work.parent / "home"):
            directory.mkdir()
            hand_over(directory)
        yield work


def phase(*argv: str) -> SandboxCommand:
    return SandboxCommand(
        argv=argv, cwd=WORK_DIR, env={"PATH": os.defpath, "HOME": "/app"}, timeout=20
    )


@pytest.mark.parametrize("door", ["keyctl", "io_uring", "userfaultfd", "vsock"])
def test_a_build_does_not_reach_the_kernels_risky_doors(work_dir: Path, door: str) -> None:
    knock = phase("/usr/bin/python3", "-c", TRY, door)
    with EmbeddedSandbox(SandboxRequest(work_dir=work_dir)) as sandbox:
        said = sandbox.capture(knock, print).strip()
        again = sandbox.capture(knock, print).strip()  # the filter is read once for each phase
    assert said == again
    assert said in {"EPERM", "ENOSYS"}


def test_a_link_a_phase_makes_does_not_lead_the_next_one_out(work_dir: Path) -> None:
    victim = work_dir.parent / "victim"
    victim.mkdir()
    hand_over(victim)
    script = (
        f"rm -rf {WORK_DIR}/home && ln -s {victim} {WORK_DIR}/home; ls -A / >{WORK_DIR}/seen",
        "touch /app/owned",
    )
    with EmbeddedSandbox(SandboxRequest(work_dir=work_dir)) as sandbox:
        for line in script:
            sandbox.capture(phase("/bin/sh", "-c", line), print)
    assert (work_dir / "seen").read_text()
    assert not list(victim.iterdir())


def test_what_the_hosts_tmp_shows_stays_where_it_is_in_every_phase(work_dir: Path) -> None:
    """A build may write in its /tmp; nothing is mounted where it could put a link."""
    with tempfile.TemporaryDirectory(prefix="slugkit-test-", dir="/tmp") as top:
        Path(top).chmod(0o711)
        wheels = Path(top) / "wheels"
        wheels.mkdir(mode=0o755)
        (wheels / "a.whl").touch()
        script = f"ls {wheels}; mv {top} /tmp/x || rm -rf {top} || rmdir {top} || echo stays"
        with EmbeddedSandbox(SandboxRequest(work_dir=work_dir, exposed=(wheels,))) as sandbox:
            sandbox.expect(3)
            said = [sandbox.capture(phase("/bin/sh", "-c", script), print) for _ in range(2)]
        assert said == ["a.whl\nstays\n"] * 2
        assert (wheels / "a.whl").is_file()


def test_a_builds_first_process_does_not_tell_where_this_machine_keeps_it(work_dir: Path) -> None:
    """Its own mounts do: the kernel names a bind mount by where it lies on its file system."""
    script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; readlink /proc/1/fd/*"
    with EmbeddedSandbox(SandboxRequest(work_dir=work_dir)) as sandbox:
        said = sandbox.capture(phase("/bin/bash", "-c", script), print)
    assert "bwrap" in said
    assert str(work_dir.parent) not in said


def mount_namespaces_held() -> int:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(os.path.realpath(link).rpartition("/")[2].startswith("mnt:") for link in links)


@pytest.mark.skipif(os.getuid() != 0, reason="of a user nothing is hidden that the build may see")
def test_every_phase_sees_what_only_root_can_reach_and_nothing_beside_it(work_dir: Path) -> None:
    """Later sandboxes enter what the first one has put up; none is handed the way there."""
    secret = work_dir.parent / "secret"
    (secret / "shown").mkdir(parents=True)
    (secret / "key").touch(mode=0o644)
    (secret / "shown" / "wheel").touch()
    secret.chmod(0o700)
    script = f"ls {secret}; ls {secret}/shown; ls /mnt; readlink /proc/self/fd/* | grep mnt"
    request = SandboxRequest(work_dir=work_dir, exposed=(secret / "shown",))
    with EmbeddedSandbox(request) as sandbox:
        sandbox.expect(4)
        look = phase("/bin/sh", "-c", f"exec 2>&1; {script} || true")
        said = [sandbox.capture(look, print) for _ in range(4)]
        held = mount_namespaces_held()
    assert said == [said[0]] * 4
    assert said[0].splitlines()[:2] == ["shown", "wheel"]
    assert "key" not in said[0]
    assert "mnt:" not in said[0]
    assert (held, mount_namespaces_held()) == (1, 0)


@pytest.mark.skipif(os.getuid() != 0, reason="as above")
def test_a_phase_that_closes_its_directories_does_not_move_the_walls_of_the_next(
    work_dir: Path,
) -> None:
    """What is shown to it at a place of our own would else be something else of this machine."""
    shown = work_dir.parent / "secret" / "shown"
    shown.mkdir(parents=True)
    shown.parent.chmod(0o700)
    for exposed in ((), (shown,)):
        with EmbeddedSandbox(SandboxRequest(work_dir=work_dir, exposed=exposed)) as sandbox:
            sandbox.capture(phase("/bin/sh", "-c", "touch $HOME/ours; chmod 000 $HOME"), print)
            opened = phase("/bin/sh", "-c", "chmod 700 $HOME; ls $HOME")
            said = sandbox.capture(opened, print)
        assert said == "ours\n"


@pytest.mark.skipif(os.getuid() != 0, reason="as above")
def test_a_work_directory_where_the_hidden_is_shown_is_not_covered(work_dir: Path) -> None:
    shown = work_dir.parent / "secret" / "shown"
    shown.mkdir(parents=True)
    shown.parent.chmod(0o700)
    (shown / "wheel").touch()
    with tempfile.TemporaryDirectory(dir=AREA) as name:
        Path(name).chmod(0o711)
        for directory in (work := Path(name) / "work", Path(name) / "home"):
            directory.mkdir()
            hand_over(directory)
        (work / "ours").touch()
        request = SandboxRequest(work_dir=work, exposed=(shown,))
        with EmbeddedSandbox(request) as sandbox:
            look = phase("/bin/sh", "-c", f"ls {WORK_DIR}/ours {shown}/wheel")
            said = [sandbox.capture(look, print) for _ in range(2)]
    assert said == [f"{WORK_DIR}/ours\n{shown}/wheel\n"] * 2


@pytest.mark.skipif(not Path("/etc/apt").is_dir(), reason="no apt on this machine")
def test_apt_get_knows_in_a_build_what_it_knows_on_this_machine(work_dir: Path) -> None:
    """heroku-buildpack-apt runs it, with its own directories for what it downloads."""
    argv = ("apt-get", "--option=dir::state=/tmp/state", "--print-uris", "install", "bash")
    script = f"mkdir -p /tmp/state/lists/partial; {' '.join(argv)} 2>&1; ls -A /etc/apt"
    with EmbeddedSandbox(SandboxRequest(work_dir=work_dir)) as sandbox:
        said = sandbox.capture(phase("/bin/sh", "-c", script), print)

    assert "bash is already the newest version" in said
    assert "auth.conf" not in said
    assert "Unable to read" not in said


@pytest.mark.skipif(os.getuid() != 0, reason="mounts")
def test_a_build_keeps_no_disk_that_is_unmounted_and_sees_none_that_is_mounted(
    tmp_path: Path,
) -> None:
    """Also not by a sandbox to which root reveals what is hidden, as all below tmp_path is."""
    disk = tmp_path / "disk"
    disk.mkdir()
    app = make_app(tmp_path / "app")
    waits = 'echo ready; until [ -e "$2/go" ]; do sleep 0.05; done; ls -A /usr/local/src'
    pack = make_buildpack(tmp_path / "pack", compile=waits)
    builder = Builder(home=tmp_path / "data")
    build = builder.argv(app, "-b", pack, "--sandbox", "embedded", slug=tmp_path / "out.slug")
    with subprocess.Popen(
        with_a_disk(disk, *build),
        env=builder.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            assert any(line.strip() == "ready" for line in process.stderr)
            unmount_for_all(disk, process.pid)
            mount = "mount -t tmpfs tmpfs /usr/local/src && touch /usr/local/src/late"
            there = ("nsenter", f"--mount=/proc/{process.pid}/ns/mnt", "sh", "-c", mount)
            subprocess.run(there, check=True, timeout=30)
        finally:
            (builder.spaces()[0] / "work" / "cache" / "go").touch()
        said = process.stderr.read()
        assert process.wait(timeout=30) == 0, said
        assert "late" not in said
