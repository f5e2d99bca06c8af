"""Where state.db may be made. No network file system is needed: the kernel's list is made up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.state import database, place
from runner.state.errors import StateFileError
from runner.state.state import FILE, opened_state

LINE = "36 35 {number} /export {at} rw,relatime shared:5 master:1 - {kind} server:/export rw\n"


def listed(directory: Path, kind: str) -> Path:
    """The kernel's list of mounts, in which ``directory`` lies on one of that kind."""
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    file = directory / "mountinfo"
    other = LINE.format(number="999:9", at="/other", kind="nfs4" if kind == "ext4" else "ext4")
    file.write_text(other + LINE.format(number=number, at="/a\\040b", kind=kind))
    return file


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs"]
)
def test_what_other_machines_write_to_as_well_is_told_by_its_kind(
    kind: str, tmp_path: Path
) -> None:
    assert place.network_file_system(tmp_path, listed(tmp_path, kind)) == kind


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk"])
def test_disks_of_this_machine_are_none(kind: str, tmp_path: Path) -> None:
    assert place.network_file_system(tmp_path, listed(tmp_path, kind)) is None


def test_the_kernels_own_list_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "NETWORK", {"proc"})
    assert place.network_file_system(Path("/proc")) == "proc"
    assert place.network_file_system(tmp_path) is None


def test_no_state_is_begun_on_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "network_file_system", lambda _: "nfs4")
    with pytest.raises(StateFileError) as caught, opened_state(tmp_path):
        pass
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"slug-run cannot use {tmp_path / FILE}, which remembers your apps\n\n"
        "It would lie on a network file system (nfs4), where SQLite can lose changes.\n\n"
        "Nothing was changed. Make room, or allow writing there; SLUGKIT_HOME\n"
        "chooses another directory."
    )
    assert list(tmp_path.iterdir()) == []


def test_state_that_is_there_is_used_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has apps there must be able to see and to stop them."""
    with opened_state(tmp_path) as state:
        state.create_app("polls")
    monkeypatch.setattr(database, "network_file_system", lambda _: "nfs4")
    with opened_state(tmp_path) as state:
        assert [app.name for app in state.apps()] == ["polls"]
