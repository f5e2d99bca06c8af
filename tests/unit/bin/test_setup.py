"""What bin/quickstart and bin/run-tests share: what they say to root, and to everybody else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MISSING = "one|the first thing|false\ntwo|the second|true\nthree|the third|has no-such-program"
OPEN = "tun_is_open() { true; };"


def shell(
    script: str, tmp_path: Path, by: Sequence[str] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    # Its text, not its path: the checkout may be where another user has no way to.
    setup = (ROOT / "bin/lib/setup.sh").read_text()
    preamble = f'set -euo pipefail; root="{tmp_path}"\n{setup}\n'
    return subprocess.run(
        (*by, "bash", "-c", preamble + script),
        cwd=tmp_path,
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
    fakes = f'is_root() {{ false; }}; has() {{ [ "$1" = apt-get ]; }}; {OPEN}'
    done = shell(f'{fakes} ensure_machine "{MISSING}"', tmp_path)
    assert done.returncode == 69
    assert done.stderr == (
        " !     This machine lacks something that only root can give it\n"
        " !\n"
        " !       one (the first thing)\n"
        " !       three (the third)\n"
        " !\n"
        " !     As root, run:\n"
        " !       apt-get update\n"
        " !       apt-get install --no-install-recommends one three\n"
        " !     and then, as yourself, this command again.\n"
    )


def test_an_ordinary_user_is_told_all_at_once(tmp_path: Path) -> None:
    user = f'is_root() {{ false; }}; has() {{ [ "$1" = apt-get ]; }}; tun_device="{tmp_path}/tun";'
    done = shell(f'{user} ensure_machine "{MISSING}"', tmp_path)
    assert done.returncode == 69
    told = done.stderr.partition("As root, run:\n")
    assert f" !       {tmp_path}/tun (containers: for users to open" in told[0]
    assert "apt-get install --no-install-recommends one three\n" in told[2]
    assert f"mknod {tmp_path}/tun c 10 200; chmod 0666 {tmp_path}/tun\n" in told[2]
    done = shell(f'{user} ensure_machine "two|the second|true"', tmp_path)
    assert done.returncode == 69
    assert "apt-get" not in done.stderr
    assert f"chmod 0666 {tmp_path}/tun\n" in done.stderr


def test_where_there_is_no_apt_get_the_names_are_said_to_be_debians(tmp_path: Path) -> None:
    for who in ("true", "false"):
        fakes = f"is_root() {{ {who}; }}; has() {{ false; }}; {OPEN}"
        done = shell(f'{fakes} ensure_machine "{MISSING}"', tmp_path)
        assert done.returncode == 69
        assert " !       one (the first thing)\n" in done.stderr
        assert "where its names are not Debian's\n" in done.stderr
        assert "apt-get" not in done.stderr


MAKING = """
python=python3
create_venv() { echo made; mkdir -p "$1/bin"; sleep 0.3; }
pip_install() { printf '#!/bin/sh' > "$1/bin/slugc"; chmod +x "$1/bin/slugc"; }
ensure_state_dir
"""
ENSURE = 'ensure_venv "$state_dir/venv"'


def test_of_two_at_once_one_makes_the_virtual_environment(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    done = shell(f"{MAKING} {ENSURE} & {MAKING} {ENSURE} & wait", tmp_path)
    assert (done.returncode, done.stdout) == (0, "made\n"), done.stderr
    assert shell(f"{MAKING} {ENSURE}", tmp_path).stdout == ""


def test_a_virtual_environment_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    failing = f"{MAKING} pip_install() {{ return 1; }}; {ENSURE}; echo went on"
    done = shell(failing, tmp_path)
    assert (done.returncode, done.stdout) == (1, "made\n")
    assert shell(f"{MAKING} {ENSURE}", tmp_path).stdout == "made\n"


def test_what_apt_get_says_is_shown_with_what_to_do(tmp_path: Path) -> None:
    fakes = 'without_starting_services() { echo "E: no route" > "$2"; false; };'
    done = shell(f"{fakes} ensure_state_dir; install_packages one three", tmp_path)
    assert done.returncode == 69
    assert done.stderr == (
        "E: no route\n"
        " !     apt-get could not install: one three\n"
        " !\n"
        f" !     Its whole output is in {tmp_path}/.slugkit/apt.log.\n"
        " !     If it says why not, mend that (the network, a source in /etc/apt),"
        " and run this command again.\n"
    )


def test_services_are_kept_from_starting_for_the_installation_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    ours = f"service_policy={policy};"
    done = shell(f"{ours} without_starting_services sh -c '{policy}; echo $?'", tmp_path)
    assert (done.stdout, policy.exists()) == ("101\n", False)
    done = shell(f"{ours} without_starting_services sh -c 'exit 7'", tmp_path)
    assert (done.returncode, policy.exists()) == (7, False)
    for signal, code in (("INT", 130), ("TERM", 143)):
        interrupted = f"without_starting_services sh -c 'kill -{signal} 0; sleep 9'"
        done = shell(f"{ours} {interrupted}", tmp_path, by=("setsid", "--wait"))
        assert done.returncode in {code, 128 - code}
        assert not policy.exists()
    # Killed outright it stays, and goes with the next run.
    killed = "without_starting_services sh -c 'kill -KILL $PPID' || true"
    shell(f"{ours} {killed}", tmp_path)
    assert policy.exists()
    shell(f"{ours} without_starting_services true", tmp_path)
    assert not policy.exists()


def test_of_two_installations_at_once_neither_takes_the_others_policy(tmp_path: Path) -> None:
    policy, begun = tmp_path / "policy-rc.d", tmp_path / "begun"
    ours = f"service_policy={policy}; without_starting_services"
    first = f"({ours} sh -c 'touch {begun}; sleep 0.3')"
    second = f"until [ -e {begun} ]; do :; done; {ours} sh -c 'sleep 0.5; {policy}; echo $?'"
    done = shell(f"{first} & {second}; wait", tmp_path)
    assert (done.stdout, policy.exists()) == ("101\n", False), done.stderr


def test_a_policy_of_the_machines_own_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    done = shell(f"service_policy={policy}; without_starting_services cat {policy}", tmp_path)
    assert done.stdout == policy.read_text() == "#!/bin/sh\nexit 0\n"


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
    old.write_text('#!/bin/sh\n[ "$2" = -V ] && echo Python 3.9.2\n')
    old.chmod(0o755)
    done = shell('has() { [ "$1" = python3 ]; }; find_python', tmp_path, PATH=f"{old.parent}:/bin")
    assert done.returncode == 69
    assert done.stderr.startswith(
        " !     Slugkit needs Python 3.11 or newer\n !\n !     python3 here: Python 3.9.2\n"
    )


def test_a_checkout_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".slugkit").write_text("a file where the directory should be")
    done = shell("ensure_state_dir", tmp_path)
    assert done.returncode == 73
    assert done.stderr == (
        f" !     Cannot write to {tmp_path}\n !\n !     Clone Slugkit to a directory of your own.\n"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_what_root_has_left_in_ones_checkout_is_to_be_given_back(open_dir: Path) -> None:
    shell("ensure_state_dir; touch $state_dir/slugs/last", open_dir)
    anna = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups")
    advice = " !     Clone Slugkit to a directory of your own.\n"
    refused = f" !     Cannot write to {open_dir}/.slugkit\n !\n"
    assert shell("ensure_state_dir", open_dir, by=anna).stderr == refused + advice
    os.chown(open_dir, 54321, 54321)
    done = shell("ensure_state_dir", open_dir, by=anna)
    assert done.returncode == 73
    assert done.stderr == (
        f"{refused} !     It belongs to root, who has run this before. As root, give it back:\n"
        f" !       chown -R 54321:54321 {open_dir}/.slugkit\n"
    )
    for path in (open_dir / ".slugkit", open_dir / ".slugkit/slugs"):
        os.chown(path, 54321, 54321)
    refused = f" !     Cannot write to {open_dir}/.slugkit/slugs/last\n"
    assert shell("ensure_state_dir", open_dir, by=anna).stderr.startswith(refused)
    os.chown(open_dir / ".slugkit/slugs/last", 54321, 54321)
    assert shell("ensure_state_dir", open_dir, by=anna).returncode == 0
