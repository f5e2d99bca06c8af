"""What is said when the embedded engine cannot run: everything at once, with what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support import seccomp
from runner.engines.embedded import checks
from runner.engines.embedded import engine as engine_module
from runner.engines.embedded.checks import Machine, find_problems, unavailable
from runner.errors import EngineUnavailableError

PROGRAMS = ("slirp4netns", "ip", "nsenter", "unshare", "setpriv", "mount")


def machine(
    tmp_path: Path, *, bwrap: str | None = "bubblewrap 0.8.0", release: str = "6.1.0-18-amd64"
) -> Machine:
    """A machine that has everything; tests take something away."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in PROGRAMS:
        (bin_dir / name).touch(mode=0o755)
    if bwrap is not None:
        (bin_dir / "bwrap").write_text(f"#!/bin/sh\necho {bwrap}\n")
        (bin_dir / "bwrap").chmod(0o755)
    (tmp_path / "tun").touch()
    (tmp_path / "tun").chmod(0o666)
    (tmp_path / "proc/sys/user").mkdir(parents=True)
    (tmp_path / "proc/sys/user/max_user_namespaces").write_text("15000\n")
    return Machine(
        env={"PATH": str(bin_dir)},
        proc=tmp_path / "proc",
        tun=tmp_path / "tun",
        release=release,
    )


def found(machine: Machine) -> list[tuple[str, str]]:
    return [(problem.found, problem.remedy) for problem in find_problems(machine)]


def test_machine_that_has_everything_has_no_problem(tmp_path: Path) -> None:
    assert found(machine(tmp_path)) == []


def test_missing_program_names_its_package(tmp_path: Path) -> None:
    lacking = machine(tmp_path, bwrap=None)
    (tmp_path / "bin/nsenter").unlink()
    assert found(lacking) == [
        ("The program 'bwrap' was not found on PATH.", "bubblewrap"),
        ("The program 'nsenter' was not found on PATH.", "util-linux"),
    ]


def test_old_bubblewrap_is_refused(tmp_path: Path) -> None:
    assert found(machine(tmp_path, bwrap="bubblewrap 0.4.1")) == [
        (
            "bubblewrap 0.4.1 is too old: 0.8 brought the wall against user namespaces.",
            "install bubblewrap 0.8 or newer (Debian 12, Ubuntu 24.04, Fedora 38)",
        )
    ]


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ],
)
def test_setting_that_forbids_namespaces_is_named(
    tmp_path: Path, name: str, value: str, good: str
) -> None:
    forbidding = machine(tmp_path)
    path = tmp_path / "proc/sys" / name.replace(".", "/")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{value}\n")
    assert found(forbidding) == [
        (f"User namespaces are forbidden: {name} = {value}.", f"sysctl -w {name}={good}")
    ]


@pytest.mark.parametrize(("release", "is_old"), [("5.10.0-28", True), ("5.11.0", False)])
def test_kernel_without_overlay_in_user_namespaces(
    tmp_path: Path, release: str, is_old: bool
) -> None:
    expected = (
        f"Linux {release} cannot mount an overlay in a user namespace.",
        "boot Linux 5.11 or newer",
    )
    assert found(machine(tmp_path, release=release)) == ([expected] if is_old else [])


def test_tun_device_that_is_missing_or_closed(tmp_path: Path) -> None:
    lacking = machine(tmp_path)
    lacking.tun.chmod(0o600 if os.getuid() == 0 else 0o000)
    assert found(lacking) == [
        (f"{lacking.tun} may not be opened by users.", f"chmod 0666 {lacking.tun}")
    ]
    lacking.tun.unlink()
    assert found(lacking) == [(f"{lacking.tun} is missing.", "modprobe tun")]


def test_missing_libseccomp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "LIBRARY", "libseccomp-missing.so.9")
    assert found(machine(tmp_path)) == [("libseccomp-missing.so.9 was not found.", "libseccomp2")]


def test_namespaces_refused_without_a_setting(tmp_path: Path) -> None:
    """As in an unprivileged CI container: every program is there, the kernel says no."""
    refusing = machine(tmp_path)
    for name in ("unshare", "setpriv"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho 'unshare failed: no' >&2; exit 1\n")
    with pytest.raises(EngineUnavailableError) as caught:
        checks.require_on(refusing)
    assert caught.value.problems == ("User namespaces cannot be made: unshare failed: no",)
    assert "docker run --privileged" in caught.value.resolution


def test_the_whole_message(tmp_path: Path) -> None:
    lacking = machine(tmp_path, bwrap=None)
    (tmp_path / "bin/slirp4netns").unlink()
    (tmp_path / "tun").unlink()
    (tmp_path / "proc/sys/user/max_user_namespaces").write_text("0\n")
    error = unavailable(find_problems(lacking))
    assert error.exit_code == 69
    assert (
        error.text()
        == f"""\
The embedded engine cannot run here

- The program 'bwrap' was not found on PATH.
- The program 'slirp4netns' was not found on PATH.
- User namespaces are forbidden: user.max_user_namespaces = 0.
- {tmp_path}/tun is missing.

As root:
    apt install bubblewrap slirp4netns
    sysctl -w user.max_user_namespaces=15000
    modprobe tun

Or use another engine:
    slug-run --engine docker   containers by Docker, if it is installed
    slug-run --engine host     no isolation at all; for apps you trust"""
    )


def test_the_programs_the_engine_looks_for_are_those_the_checks_know() -> None:
    assert set(engine_module.PROGRAMS) == set(checks._PROGRAMS)
