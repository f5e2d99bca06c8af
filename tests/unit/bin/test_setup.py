"""What bin/quickstart and bin/run-tests share: what they say to root, and to everybody else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MISSING = "one|the first thing|false\ntwo|the second|true\nthree|the third|has no-such-program"
OPEN = "tun_is_open() { true; };"


def shell(script: str, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    preamble = f'set -euo pipefail; root="{tmp_path}"; . "{ROOT}/bin/lib/setup.sh"; '
    return subprocess.run(
        ("bash", "-c", preamble + script),
        env={**os.environ, **env},
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )


def test_only_packages_whose_probe_fails_are_missing(tmp_path: Path) -> None:
    done = shell(f'missing_packages "{MISSING}"', tmp_path)
    assert done.stdout == "one|the first thing\nthree|the third\n"


def test_a_library_is_found_every_time(tmp_path: Path) -> None:
    # Through a pipe into `grep -q` it was, nearly every time.
    script = "for i in $(seq 40); do has_library libc.so.6; done; ! has_library libno-such.so.1"
    assert shell(script, tmp_path).returncode == 0


def test_an_ordinary_user_is_told_what_root_must_install(tmp_path: Path) -> None:
    done = shell(f'is_root() {{ false; }}; {OPEN} ensure_machine "{MISSING}"', tmp_path)
    assert done.returncode == 69
    assert done.stderr == (
        " !     This machine lacks something that only root can give it\n"
        " !\n"
        " !       one (the first thing)\n"
        " !       three (the third)\n"
        " !\n"
        " !     Ask root to run:\n"
        " !       apt-get update\n"
        " !       apt-get install --no-install-recommends one three\n"
        " !     and then run this command again.\n"
    )


def test_an_ordinary_user_is_told_all_at_once(tmp_path: Path) -> None:
    user = f'is_root() {{ false; }}; tun_device="{tmp_path}/tun";'
    done = shell(f'{user} ensure_machine "{MISSING}"', tmp_path)
    assert done.returncode == 69
    told = done.stderr.partition("Ask root to run:\n")
    assert f" !       {tmp_path}/tun (containers: for users to open" in told[0]
    assert "apt-get install --no-install-recommends one three\n" in told[2]
    assert f"mknod {tmp_path}/tun c 10 200; chmod 0666 {tmp_path}/tun\n" in told[2]
    done = shell(f'{user} ensure_machine "two|the second|true"', tmp_path)
    assert done.returncode == 69
    assert "apt-get" not in done.stderr
    assert f"chmod 0666 {tmp_path}/tun\n" in done.stderr


def test_root_installs_only_what_is_missing_and_says_so(tmp_path: Path) -> None:
    fakes = (
        'is_root() { true; }; without_starting_services() { echo "$@" >&2; };'
        'has() { [ "$1" = apt-get ]; };'
    )
    done = shell(f'{fakes} {OPEN} ensure_machine "{MISSING}"', tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        "-----> Installing system packages\n"
        "       one (the first thing)\n"
        "       three (the third)\n"
        f"apt_get {tmp_path}/.slugkit/apt.log one three\n"
    )


def test_nothing_is_said_when_nothing_is_missing(tmp_path: Path) -> None:
    done = shell(f'{OPEN} ensure_machine "two|the second|true"', tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_python_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "bin/python3"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = shell('has() { [ "$1" = python3 ]; }; find_python', tmp_path, PATH=f"{old.parent}:/bin")
    assert done.returncode == 69
    assert " !     Slugkit needs Python 3.11 or newer\n" in done.stderr


def test_a_checkout_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".slugkit").write_text("a file where the directory should be")
    done = shell(f'python=python3; ensure_venv "{tmp_path}/.slugkit/venv"', tmp_path)
    assert done.returncode == 73
    assert done.stderr == (
        f" !     Cannot write to {tmp_path}\n !\n !     Clone Slugkit to a directory of your own.\n"
    )
