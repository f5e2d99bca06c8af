"""service: what systemd is told, and what is said where it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildpack.support.command import Command
from buildpack.support.values import changed
from runner.supervision import service
from runner.supervision.service import (
    NoSystemdError,
    ServiceTakenError,
    Unit,
    install,
    plan_unit,
    remove,
)

ENV = {"HOME": "/home/me", "PATH": "/usr/bin", "SLUGKIT_HOME": '/data/50% "x"', "SECRET": "no"}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(service, "RUNNING", tmp_path)
    return []


def unit_in(directory: Path) -> Unit:
    return Unit(name="a.service", path=directory / "a.service", text="x", systemctl=("systemctl",))


def test_the_unit_keeps_the_keeper_and_tells_it_nothing_secret() -> None:
    unit = plan_unit("polls", ENV, stop_timeout=30.0, is_root=False)
    assert unit.path == Path("/home/me/.config/systemd/user/slug-run-polls.service")
    assert unit.systemctl == ("systemctl", "--user")
    root = Path(service.__file__).resolve().parents[2]
    assert unit.text.splitlines() == [
        "[Unit]",
        "Description=The app polls, kept running by slug-run",
        "After=network-online.target",
        "Wants=network-online.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f'ExecStart="{sys.executable}" "-P" "-m" "runner.main" "service" "run" "--app" "polls"',
        'Environment="HOME=/home/me"',
        'Environment="PATH=/usr/bin"',
        f'Environment="PYTHONPATH={root}"',
        r'Environment="SLUGKIT_HOME=/data/50%% \"x\""',
        "Restart=on-failure",
        "RestartSec=1",
        "KillMode=mixed",
        "TimeoutStopSec=60",
        "Delegate=yes",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]


def test_no_value_adds_a_line_of_its_own() -> None:
    env = {**ENV, "PATH": "/bin\nExecStartPre=/bin/false"}
    text = plan_unit("polls", env, stop_timeout=30.0, is_root=True).text
    assert r'Environment="PATH=/bin\nExecStartPre=/bin/false"' in text.splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    env = {**ENV, "HOME": "/home/a b", "PATH": "/bin\n$HOME", "SLUGKIT_HOME": "/data/50% \\ 'x'"}
    unit = plan_unit("polls", env, stop_timeout=30.0, is_root=True)
    file = tmp_path / unit.name
    file.write_text(unit.text)
    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", str(file)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, str(file) in done.stderr) == (0, False), done.stderr


def test_roots_unit_is_the_systems() -> None:
    unit = plan_unit("polls", ENV, stop_timeout=30.0, is_root=True)
    assert unit.path == Path("/etc/systemd/system/slug-run-polls.service")
    assert unit.text.endswith("WantedBy=multi-user.target\n")
    assert unit.systemctl == ("systemctl",)


def test_install_writes_the_unit_and_enables_it(tmp_path: Path, asked: list[str]) -> None:
    def run(command: Command) -> str:
        asked.append(" ".join(command.argv))
        assert set(command.env) <= {"PATH", "HOME", "XDG_RUNTIME_DIR"}
        return ""

    unit = unit_in(tmp_path / "units")
    install("polls", unit, ENV, run=run)
    assert unit.path.read_text() == "x"
    assert asked == ["systemctl daemon-reload", "systemctl enable --now a.service"]
    asked.clear()
    assert remove("polls", unit, ENV, run=run)
    assert not unit.path.exists()
    assert asked == ["systemctl disable a.service", "systemctl daemon-reload"]
    assert not remove("polls", unit, ENV, run=run)


def test_the_unit_of_another_data_directory_is_left_alone(tmp_path: Path, asked: list[str]) -> None:
    path = tmp_path / "slug-run-polls.service"
    ours, theirs = (
        changed(plan_unit("polls", {"SLUGKIT_HOME": home}, stop_timeout=1, is_root=True), path=path)
        for home in ("/srv/ours", "/srv/theirs")
    )
    path.write_text(theirs.text)

    def run(command: Command) -> str:
        asked.append(command.argv[0])
        return ""

    for do in (install, remove):
        with pytest.raises(ServiceTakenError) as caught:
            do("polls", ours, ENV, run=run)
        assert caught.value.exit_code == 73
        assert caught.value.text() == (
            "An app called polls of another data directory has the service already\n\n"
            f"It is in {path}.\n\n"
            "It was left as it is. Give one of the two another name:\n\n    slug-run apps rename"
        )
    assert path.read_text() == theirs.text
    assert asked == []
    assert remove("polls", theirs, ENV, run=lambda _: "")


def test_where_there_is_no_systemd_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "RUNNING", tmp_path / "none")
    with pytest.raises(NoSystemdError) as caught:
        install("polls", unit_in(tmp_path), ENV, run=lambda _: "")
    assert caught.value.exit_code == 69
    assert "slug-run start -d --app polls" in caught.value.text()
    assert list(tmp_path.iterdir()) == []
