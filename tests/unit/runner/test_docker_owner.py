"""Whose a container is, and when its run is certainly over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.engines.docker.owner import Owner, is_dead, machine, parse_owner, this_process

HERE = Owner(host="vm", boot="b1", pid_namespace="pid:[1]", pid=1, started="5")


def make_proc(root: Path, pid: int, started: str) -> Path:
    (root / str(pid)).mkdir()
    fields = " ".join(["S", *["0"] * 18, started, "0"])
    (root / str(pid) / "stat").write_text(f"{pid} (a ) name) {fields}\n")
    return root


def test_this_process_is_alive_and_reads_its_own_label() -> None:
    here = this_process()
    assert parse_owner(here.label) == here
    assert not is_dead(here, here)


@pytest.mark.parametrize("label", ["", "a b c", "host boot ns pid 5", "one two three 4 5 6"])
def test_other_peoples_labels_are_nobodys(label: str) -> None:
    assert parse_owner(label) is None


def test_a_process_that_is_gone_is_dead(tmp_path: Path) -> None:
    assert is_dead(replace(HERE, pid=77), HERE, proc=tmp_path)


def test_a_process_id_used_again_is_another_process(tmp_path: Path) -> None:
    proc = make_proc(tmp_path, 77, "900")
    assert is_dead(replace(HERE, pid=77, started="5"), HERE, proc=proc)
    assert not is_dead(replace(HERE, pid=77, started="900"), HERE, proc=proc)


def test_before_the_last_boot_everything_is_dead(tmp_path: Path) -> None:
    assert is_dead(replace(HERE, boot="b0"), HERE, proc=tmp_path)


@pytest.mark.parametrize("change", [{"host": "other"}, {"pid_namespace": "pid:[2]"}])
def test_what_cannot_be_seen_counts_as_alive(tmp_path: Path, change: dict[str, str]) -> None:
    elsewhere = Owner(**{**HERE_FIELDS, **change}, pid=77)
    assert not is_dead(elsewhere, HERE, proc=tmp_path)


def test_machines_of_one_name_are_told_apart(tmp_path: Path) -> None:
    number = tmp_path / "machine-id"
    name = machine(number)
    number.write_text("0123abcd\n")
    assert machine(number) == f"{name}/0123abcd"
    assert " " not in machine()


HERE_FIELDS = {"host": "vm", "boot": "b1", "pid_namespace": "pid:[1]", "started": "5"}
