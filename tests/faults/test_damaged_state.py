"""state.db with damage of every kind: a command does its work or says what is wrong, in our words.

More rounds by hand: SLUGKIT_ROUNDS=1000 pytest tests/faults/test_damaged_state.py
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.main import main
from runner.supervision.client import ask
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import until

ROUNDS = int(os.environ.get("SLUGKIT_ROUNDS", "25"))
PAGE = 4096
COMMANDS = (
    ("config", "-a", "polls", "--json"),
    ("releases", "-a", "polls", "-n", "100"),
    ("apps",),
    ("ps", "-a", "polls"),
    ("schedule", "-a", "polls"),
    ("config", "set", "-a", "polls", "Z=1"),
)

Damage = Callable[[bytearray, random.Random], None]


def other_page(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) // PAGE) * PAGE
    data[start : start + PAGE] = chance.randbytes(PAGE)


def empty_page(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) // PAGE) * PAGE
    data[start : start + PAGE] = bytes(PAGE)


def other_bytes(data: bytearray, chance: random.Random) -> None:
    for _ in range(50):
        data[chance.randrange(len(data))] = chance.randrange(256)


def flipped_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(3):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut_off(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


@pytest.fixture
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of two apps, one with thirty releases."""
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "home"))
    for words in (["apps", "create", "polls"], ["apps", "create", "other"]):
        assert main(words) == 0
    for number in range(30):
        assert main(["config", "set", "-a", "polls", f"A{number}={'x' * 200}"]) == 0
    for name in ("one", "two"):
        assert main(["schedule", "add", "@daily", "-a", "polls", "--name", name, "--", "true"]) == 0
    return tmp_path / "home" / "state.db"


@pytest.mark.parametrize("damage", [other_page, empty_page, other_bytes, flipped_bits, cut_off])
def test_damage_is_told_as_such(
    damage: Damage, state_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = state_file.read_bytes()
    chance = random.Random(7)
    codes = set()
    for number in range(ROUNDS // 5):
        data = bytearray(whole)
        damage(data, chance)
        for words in COMMANDS:
            state_file.write_bytes(data)
            for name in ("state.db-wal", "state.db-shm"):
                state_file.with_name(name).unlink(missing_ok=True)
            code = main(list(words))
            err = "".join(capfd.readouterr())  # with --json errors are on standard output
            assert "Traceback" not in err, (number, words, err)
            assert code in {0, ExitCode.DATA, ExitCode.USAGE}, (number, words, err)
            codes.add(code)
            if code == ExitCode.DATA:
                assert "which remembers your apps, " in err, err
    assert ExitCode.DATA in codes


@pytest.mark.parametrize("lost", ["state.db-wal", "state.db-shm"])
def test_what_a_killed_writer_left_may_go(lost: str, state_file: Path) -> None:
    """Without its log the newest changes are gone, and all that was before is there."""
    state_file.with_name(lost).unlink(missing_ok=True)
    assert main(["config", "set", "-a", "polls", "Z=1"]) == 0
    with sqlite3.connect(state_file) as database:
        assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_a_table_that_is_missing_is_damage(
    state_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(state_file) as database:
        database.execute("DROP TABLE formation")
        database.execute("DROP TABLE releases")
    assert main(["releases", "-a", "polls"]) == ExitCode.DATA
    assert "SQLite says: no such table: releases." in capfd.readouterr().err


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    """An app that is left running."""
    found = deployed(open_dir / "site", port=free_port())
    found.start("web=1", "idle=1")
    yield found
    found.must("stop")


def successor(site: Site, of: int) -> int | None:
    pid = site.processes().get("supervisor")
    return None if pid == of else pid


def all_up(site: Site) -> bool:
    return all(each["state"] == "up" for each in site.containers().values())


@pytest.mark.embedded
def test_what_runs_goes_on_though_a_supervisors_successor_cannot_read_the_state(
    site: Site,
) -> None:
    pids, before = site.pids(), site.processes()["supervisor"]
    state_file = site.home / "state.db"
    whole = state_file.read_bytes()
    state_file.write_bytes(b"no database" * 1000)
    os.kill(before, signal.SIGKILL)
    until(lambda: successor(site, before) is not None)
    ask("polls", site.supervisor_dir, {"do": "reconcile"}, timeout=30)
    assert site.get() == "web.1 "
    os.kill(pids["idle.1"], signal.SIGKILL)  # nobody knows what to start in its place
    assert site.get() == "web.1 "
    state_file.write_bytes(whole)
    ask("polls", site.supervisor_dir, {"do": "reconcile"}, timeout=30)
    until(lambda: all_up(site), site.errors)
    assert set(site.pids()) == set(pids)
    assert site.pids()["web.1"] == pids["web.1"]
    assert site.errors() == ""
    assert "which remembers your apps, is damaged. Nothing was changed." in site.log()


@pytest.mark.embedded
def test_after_an_upgrade_a_supervisor_of_the_new_version_takes_over(site: Site) -> None:
    """Whoever is too old for the file ends, once, and the keeper starts what is installed now."""
    pids, before = site.pids(), site.processes()["supervisor"]
    with sqlite3.connect(site.home / "state.db") as database:
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        database.execute("PRAGMA user_version = 99")
    ask("polls", site.supervisor_dir, {"do": "reconcile"}, timeout=30)
    after = successor(site, before)
    assert after is not None
    ask("polls", site.supervisor_dir, {"do": "reconcile"}, timeout=30)
    assert successor(site, before) == after, "one that never could read it does not end"
    with sqlite3.connect(site.home / "state.db") as database:
        database.execute(f"PRAGMA user_version = {schema}")
    assert site.pids() == pids
    site.must("scale", "idle=2")
    assert set(site.pids()) == {"web.1", "idle.1", "idle.2"}
    assert "was made by a newer Slugkit" in site.log()


@pytest.mark.embedded
def test_an_app_whose_data_directory_was_deleted_ends(open_dir: Path) -> None:
    """Or nobody could ever end it."""
    site = deployed(open_dir / "site", port=free_port())
    site.start("web=1", "idle=1")
    pids = [*site.pids().values(), *site.processes().values()]
    shutil.rmtree(site.home)
    until(lambda: not [pid for pid in pids if is_running(pid)])


def is_running(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
