"""The argument list is our security policy: any change of it shows here, as a diff."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from buildpack.support.values import changed
from runner.engines.embedded.bwrap import (
    EnvironmentValueError,
    Sandbox,
    Walls,
    arguments,
    masked_in,
)
from runner.engines.embedded.rootfs import SystemDir

WALLS = Walls(
    system_dirs=(
        SystemDir(path=PurePosixPath("/usr"), link=None),
        SystemDir(path=PurePosixPath("/bin"), link="usr/bin"),
    ),
    etc=Path("/data/run/embedded-1/etc"),
    etc_dirs=("ssl/certs",),
    masked_files=("keys",),
    masked_dirs=("acpi",),
)


def sandbox(*, has_terminal: bool = False, env: dict[str, str] | None = None) -> Sandbox:
    return Sandbox(
        hostname="web-1",
        app=Path("/data/run/embedded-1/web.1-1/app"),
        env={"PORT": "5000", "HOME": "/app"} if env is None else env,
        cgroup_view=((Path("/sys/fs/cgroup/m/x"), PurePosixPath("/sys/fs/cgroup/memory")),),
        has_terminal=has_terminal,
        seccomp_fd=13,
    )


GOLDEN = """\
--unshare-user
--unshare-ipc
--unshare-pid
--unshare-uts
--unshare-cgroup
--disable-userns
--hostname web-1
--die-with-parent
--new-session
--uid 1000
--gid 1000
--cap-drop ALL
--ro-bind /usr /usr
--symlink usr/bin /bin
--ro-bind /data/run/embedded-1/etc /etc
--ro-bind /etc/ssl/certs /etc/ssl/certs
--proc /proc
--dev /dev
--size 67108864
--perms 1777
--tmpfs /dev/shm
--remount-ro /dev
--ro-bind /dev/null /proc/keys
--size 4096
--perms 0555
--tmpfs /proc/acpi
--remount-ro /proc/acpi
--perms 0755
--dir /sys
--perms 0755
--dir /sys/fs
--perms 0755
--dir /sys/fs/cgroup
--ro-bind /sys/fs/cgroup/m/x /sys/fs/cgroup/memory
--perms 0755
--dir /var
--size 268435456
--perms 1777
--tmpfs /tmp
--size 268435456
--perms 1777
--tmpfs /var/tmp
--size 16777216
--perms 0755
--tmpfs /run
--symlink /run /var/run
--bind /data/run/embedded-1/web.1-1/app /app
--remount-ro /
--clearenv
--setenv HOME /app
--setenv PORT 5000
--seccomp 13
--chdir /app
"""


def as_lines(words: tuple[str, ...]) -> str:
    lines = "".join(f"\n{word}" if word.startswith("--") else f" {word}" for word in words)
    return lines.lstrip("\n") + "\n"


def test_arguments_are_the_policy() -> None:
    assert as_lines(arguments(WALLS, sandbox())) == GOLDEN


def test_terminal_needs_the_callers_session() -> None:
    with_terminal = as_lines(arguments(WALLS, sandbox(has_terminal=True)))
    assert with_terminal == GOLDEN.replace("--new-session\n", "")


def test_a_container_that_outlives_its_starter_differs_in_its_bond_alone() -> None:
    lasting = arguments(WALLS, changed(sandbox(), status_fd=21))
    bound = arguments(WALLS, sandbox())
    at = bound.index("--die-with-parent")
    assert lasting == (*bound[:at], "--json-status-fd", "21", *bound[at + 1 :])


@pytest.mark.parametrize(
    "env", [{"A": "x\0y"}, {"A\0B": "x"}, {"A=B": "x"}, {"": "x"}], ids=["value", "nul", "=", "no"]
)
def test_environment_that_cannot_be_passed_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(EnvironmentValueError) as caught:
        arguments(WALLS, sandbox(env=env))
    assert caught.value.exit_code == 65
    assert caught.value.text() == (
        f"The config var {next(iter(env))!r} cannot be set\n\n"
        "It holds a NUL character, or its name is empty or holds '='.\n\n"
        "Encode the value, for example as base64, and decode it in the app."
    )


def test_argument_like_values_stay_values() -> None:
    words = arguments(WALLS, sandbox(env={"A": "--bind / /host"}))
    position = words.index("--bind / /host")
    assert words[position - 2 : position] == ("--setenv", "A")


def test_only_what_an_ordinary_user_may_open_is_masked(tmp_path: Path) -> None:
    for name, mode in {"keys": 0o444, "kcore": 0o400, "sysrq-trigger": 0o202}.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    (tmp_path / "acpi").mkdir()
    assert masked_in(tmp_path) == (("keys", "sysrq-trigger"), ("acpi",))


def test_what_is_read_as_the_memory_limit_lies_over_the_kernels_own() -> None:
    quota = (17, PurePosixPath("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    lines = as_lines(arguments(WALLS, changed(sandbox(), quota=quota)))
    assert (
        "--ro-bind /sys/fs/cgroup/m/x /sys/fs/cgroup/memory\n"
        "--perms 0444\n"
        "--ro-bind-data 17 /sys/fs/cgroup/memory/memory.limit_in_bytes\n"
    ) in lines
