"""The chain of programs that becomes a container, as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.cgroups import Cgroup
from buildpack.support.values import changed
from runner.engines.base import Limits
from runner.engines.embedded.rootfs import LayerPathError, app_tree
from runner.engines.embedded.starter import Plug, Start, process_limits, start_argv

LAYERS = Path("/data/store/layers")
HOME = Path("/data/run/embedded-1/web.1-1")
MIB = 1024 * 1024


def start(
    *, cgroup: Cgroup | None = None, has_terminal: bool = False, memory_upper: int | None = None
) -> Start:
    return Start(
        drop=("setpriv", "--reuid", "7", "--"),
        cgroup=cgroup,
        plug=Plug(holder=77, port="v1", commands="link set lo up\n"),
        tree=app_tree((LAYERS / "aa", LAYERS / "bb"), HOME, HOME / "app"),
        memory_upper=memory_upper,
        args_fd=14,
        ready_fd=9,
        stderr_fd=12,
        process_limits="ulimit -c 0",
        has_terminal=has_terminal,
        argv=("bash", "-c", "exec gunicorn"),
    )


def test_chain_drops_rights_before_anything_else() -> None:
    argv = start_argv(start())
    assert argv[:4] == ("setpriv", "--reuid", "7", "--")
    assert argv[4:17] == (
        *("nsenter", "--user=/proc/77/ns/user", "--pid=/proc/77/ns/pid_for_children"),
        *("--preserve-credentials", "--", "unshare", "--mount", "--mount-proc", "--net"),
        *("--propagation", "slave", "--", "sh"),
    )


def test_chain_hands_the_mount_and_the_network_over_as_parameters() -> None:
    argv = start_argv(start())
    begin = argv.index("slugkit-build") + 1
    assert argv[begin : begin + 10] == (
        "link set lo up\n",
        "v1",
        "",
        "/data/store/layers/../../run/embedded-1/web.1-1",
        "lowerdir=bb:aa,upperdir=../../run/embedded-1/web.1-1/upper,"
        "workdir=../../run/embedded-1/web.1-1/work,userxattr,volatile",
        "/data/run/embedded-1/web.1-1/app",
        *("bwrap", "--args", "14", "--"),
    )


def test_chain_ends_in_the_containers_command() -> None:
    argv = start_argv(start())
    begin = argv.index("slugkit-begin")
    assert argv[begin - 4 : begin - 1] == ("/bin/bash", "-p", "-c")
    assert argv[begin + 1 :] == ("9", "12", "ulimit -c 0", "bash", "-c", "exec gunicorn")


def test_terminal_is_made_the_controlling_one() -> None:
    argv = start_argv(start(has_terminal=True))
    assert argv[-5:] == ("/usr/bin/setsid", "--ctty", "bash", "-c", "exec gunicorn")


def test_cgroup_is_entered_first_of_all() -> None:
    cgroup = Cgroup(dirs={"memory": Path("/cg/m/x"), "pids": Path("/cg/p/x")}, is_v2=False)
    argv = start_argv(start(cgroup=cgroup))
    assert argv[:2] == ("sh", "-c")
    assert argv[3:8] == ("slugkit-limits", "/cg/m/x/tasks", "/cg/p/x/tasks", "--", "setpriv")


def test_upper_directory_can_be_in_memory() -> None:
    argv = start_argv(start(memory_upper=1024))
    assert argv[argv.index("slugkit-build") + 3] == "1024"


@pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b"])
def test_layer_name_that_would_split_the_mount_options_is_refused(name: str) -> None:
    with pytest.raises(LayerPathError) as caught:
        app_tree((LAYERS / name,), HOME, HOME / "app")
    assert caught.value.text() == (
        "A layer lies where it cannot be mounted\n\n"
        f"/data/store/layers/{name}\n\n"
        "Set SLUGKIT_HOME to a directory without ',', ':' or '\\' in its path."
    )


def test_data_directory_may_have_any_name() -> None:
    odd = Path("/my, data: here")
    tree = app_tree((odd / "store/layers/aa",), odd / "run/1/web.1-1", odd / "app")
    assert tree.options == (
        "lowerdir=aa,upperdir=../../run/1/web.1-1/upper,workdir=../../run/1/web.1-1/work,"
        "userxattr,volatile"
    )


@pytest.mark.parametrize(
    ("limits", "is_soft", "hard_files", "expected"),
    [
        (Limits(), False, 1_000_000, "ulimit -c 0 && ulimit -n 10000"),
        (Limits(), False, 4096, "ulimit -c 0 && ulimit -n 4096"),
        (
            Limits(memory=64 * MIB, pids=40),
            True,
            4096,
            "ulimit -c 0 && ulimit -n 4096 && ulimit -d 65536 && ulimit -u 40",
        ),
        (Limits(memory=None, pids=None), True, 4096, "ulimit -c 0 && ulimit -n 4096"),
        (
            Limits(memory=128 << 20, quota=64 << 20),
            False,
            4096,
            "ulimit -c 0 && ulimit -n 4096 &&"
            " { echo 300 2>/dev/null >/proc/self/oom_score_adj || :; }",
        ),
    ],
)
def test_process_limits(limits: Limits, is_soft: bool, hard_files: int, expected: str) -> None:
    assert process_limits(limits, is_soft=is_soft, hard_files=hard_files) == expected


def test_a_lasting_container_begins_when_it_is_told_and_ends_when_nobody_is_left_to() -> None:
    argv = start_argv(changed(start(), told_fd=15))
    begin = argv.index("slugkit-begin")
    assert argv[begin + 1 : begin + 5] == ("9", "12", "ulimit -c 0", "15")
    script = argv[begin - 1]
    assert script.index('>&"$ready"') < script.index('read -r -n 1 -u "$told" || exit 1')
    assert script.index("read -r") < script.index("exec 2>&")
    assert "{told}<&-" in script
