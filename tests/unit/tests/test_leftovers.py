"""What counts as left by the tests of a run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.leftovers import mounts, processes
from tests.waiting import until


@pytest.mark.parametrize("by", ["argument", "environment", "directory"])
def test_a_process_is_known_by_whatever_names_the_directory(tmp_path: Path, by: str) -> None:
    argv = ["sh", "-c", "read x", str(tmp_path) if by == "argument" else "other"]
    env = {**os.environ, "WHERE": str(tmp_path) if by == "environment" else "/", "TMPDIR": "/"}
    cwd = tmp_path if by == "directory" else "/"
    with subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.PIPE) as process:
        until(Path(f"/proc/{process.pid}/cmdline").read_bytes)
        found = list(processes(tmp_path))
        process.communicate(b"\n")
    assert [each.split(",")[0] for each in found] == [f"process {process.pid}"]
    assert not list(processes(tmp_path))


def test_a_mount_is_known_by_where_it_is() -> None:
    assert any(each.startswith("mount ") for each in mounts(Path("/proc")))
    assert not list(mounts(Path("/proc/no-such")))
