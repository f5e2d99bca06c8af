"""The Docker sandbox's decisions, without an engine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from slugc.sandbox import docker_options as docker
from slugc.sandbox.base import NetworkPolicy, NetworkUnavailableError, SandboxRequest
from slugc.sandbox.build_group import Counts
from slugc.sandbox.docker_limits import parse_counts
from slugc.sandbox.docker_options import (
    container_config,
    exposed_paths,
    holds_interpreters,
    make_mount_points,
    network_mode,
    wanted_stack,
)
from slugc.sandbox.limits import BuildLimits
from slugc.sandbox.lines import hand_over_lines
from slugc.stack import read_host_stack


def test_the_container_has_one_writable_place_and_no_rights(tmp_path: Path) -> None:
    config = container_config("image", "debian-12", SandboxRequest(work_dir=tmp_path / "work"))
    host = config["HostConfig"]
    assert isinstance(host, dict)
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    writable = [mount for mount in host["Mounts"] if not mount.get("ReadOnly")]
    assert [(mount["Source"], mount["Target"]) for mount in writable] == [
        (str(tmp_path / "work"), "/tmp"),
        (str(tmp_path / "home"), "/app"),
    ]
    assert str(config["User"]).split(":")[0] != "0"


def test_another_system_s_interpreters_are_not_shown(tmp_path: Path) -> None:
    python, wheels = tmp_path / "versions", tmp_path / "wheels"
    (python / "3.13.0" / "bin").mkdir(parents=True)
    (python / "3.13.0" / "bin" / "python3.13").touch()
    wheels.mkdir()
    request = SandboxRequest(work_dir=tmp_path, exposed=(python, wheels, tmp_path / "missing"))
    own = exposed_paths(request, read_host_stack().id)
    other = exposed_paths(request, "heroku-24")
    assert {python, wheels} <= set(own)
    assert wheels in other
    assert python not in other
    assert tmp_path / "missing" not in own


def test_holds_interpreters(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert not holds_interpreters(tmp_path)
    (tmp_path / "bin" / "python3.12").touch()
    assert holds_interpreters(tmp_path)


@pytest.mark.parametrize(
    ("said", "killed", "refused"),
    [
        ("", 0, 0),
        (
            "memory.oom_control under_oom 0\nmemory.oom_control oom_kill 2\npids.events max 3\n",
            2,
            3,
        ),
        ("memory.events max 9\nmemory.events oom_kill 1\npids.events max 0\n", 1, 0),
    ],
)
def test_what_the_kernel_counted_in_either_version(said: str, killed: int, refused: int) -> None:
    assert parse_counts(said) == Counts(killed=killed, refused=refused)


def test_the_stack_asked_for_is_taken() -> None:
    assert wanted_stack("heroku-24") == "heroku-24"


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_lines_are_whole_wherever_the_pieces_end(size: int) -> None:
    text = "one\r\ntwo \N{SNOWMAN}\n\nlast".encode()
    pieces = [(1, text[at : at + size]) for at in range(0, len(text), size)]
    out: list[str] = []
    errors: list[str] = []
    hand_over_lines([*pieces, (2, b"oh\n"), (2, b"\xff")], out.append, errors.append)
    assert out == ["one", "two \N{SNOWMAN}", "", "last"]
    assert errors == ["oh", "\N{REPLACEMENT CHARACTER}"]


def test_mount_points_in_the_builds_tmp_are_made_by_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "WORK_DIR", PurePosixPath(tmp_path / "tmp"))
    work, wheels, bundle = tmp_path / "work", tmp_path / "tmp/ann/wheels", tmp_path / "tmp/ca.pem"
    work.mkdir()
    wheels.mkdir(parents=True)
    bundle.touch()

    make_mount_points(work, (wheels, bundle, Path("/usr")))

    assert (work / "ann" / "wheels").is_dir()
    assert (work / "ca.pem").is_file()
    assert sorted(path.name for path in work.iterdir()) == ["ann", "ca.pem"]


def test_limits_and_network_in_the_engines_words(tmp_path: Path) -> None:
    limits = BuildLimits(memory=1 << 30, cpus=1.5, processes=64)
    request = SandboxRequest(work_dir=tmp_path / "work", limits=limits, network=NetworkPolicy.OFF)

    host = container_config("image", "debian-12", request)["HostConfig"]

    assert isinstance(host, dict)
    names = ("Memory", "MemorySwap", "NanoCpus", "PidsLimit", "NetworkMode")
    assert [host[name] for name in names] == [1 << 30, 1 << 30, 1_500_000_000, 64, "none"]


def test_the_engines_own_network_is_not_called_isolated() -> None:
    with pytest.raises(NetworkUnavailableError) as caught:
        network_mode(NetworkPolicy.ISOLATED)

    assert caught.value.text() == (
        "The docker sandbox cannot build with --network isolated here\n\n"
        "A container on the Docker Engine's own network reaches this machine's\n"
        "addresses and the other containers on it.\n\n"
        "Use --network on or --network off, or the embedded sandbox."
    )
