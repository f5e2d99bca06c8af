"""slug-run config as other processes see it: many at once, secrets, what is imported."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.state.state import opened_state
from slugc.privileges import data_dir
from tests.waiting import PATIENCE

SECRET = "kx7-never-to-be-seen"
SLUG_RUN = (sys.executable, "-m", "runner.main")
AT_ONCE = 12


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An app called polls in a data directory of its own, below a directory anybody may enter."""
    home = tmp_path / "home"
    with opened_state(data_dir({"SLUGKIT_HOME": str(home)})) as state:
        state.create_app("polls")
    return {"PATH": os.environ["PATH"], "SLUGKIT_HOME": str(home), "LOGNAME": "me",
            "PYTHONPATH": str(Path(__file__).parents[4])}  # fmt: skip


def start(env: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*SLUG_RUN, *words],
        env=env,
        cwd=env["SLUGKIT_HOME"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> tuple[int, bytes]:
    out, err = process.communicate(stdin, timeout=60)
    return process.returncode, out + err


def test_sets_at_once_lose_nothing(env: dict[str, str]) -> None:
    running = [start(env, "config", "set", f"V{number}={number}") for number in range(AT_ONCE)]
    ended = [finish(process) for process in running]
    assert [code for code, _ in ended] == [0] * AT_ONCE, ended
    with opened_state(Path(env["SLUGKIT_HOME"])) as state:
        releases = state.releases(state.app("polls"))
    assert releases[0].config_vars == {f"V{number}": str(number) for number in range(AT_ONCE)}
    assert [release.version for release in releases] == list(range(AT_ONCE, 0, -1))


def test_a_secret_from_standard_input_is_seen_by_nobody_else(
    env: dict[str, str], tmp_path: Path
) -> None:
    process = start(env, "config", "set", "SECRET_KEY=-")
    seen = b""
    for _ in range(20):  # while it waits for its standard input, and others may look
        seen += Path(f"/proc/{process.pid}/cmdline").read_bytes()
        seen += Path(f"/proc/{process.pid}/environ").read_bytes()
        time.sleep(0.005)
    code, said = finish(process, SECRET.encode())
    assert code == 0, said
    assert b"SECRET_KEY=-" in seen
    assert SECRET.encode() not in seen + said
    holding = [p for p in tmp_path.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert holding, "it must be somewhere"
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in holding)


def test_nothing_in_the_data_directory_is_for_others(env: dict[str, str]) -> None:
    finish(start(env, "config", "set", "A=-"), b"x")
    code, said = finish(start({**env, "EDITOR": "true"}, "config", "edit"))
    assert code == 0, said
    home = Path(env["SLUGKIT_HOME"])
    open_to_others = [
        path for path in home.rglob("*") if stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]
    assert open_to_others == []


def test_a_set_that_is_killed_changes_all_or_nothing(env: dict[str, str]) -> None:
    kept = 0
    for number in range(6):
        process = start(env, "config", "set", f"A={number}", f"B={number}")
        time.sleep(0.03 * (number + 1))
        process.kill()
        process.communicate(timeout=PATIENCE)
        with opened_state(Path(env["SLUGKIT_HOME"])) as state:
            current = state.current(state.app("polls"))
        if current:
            kept += 1
            assert len(set(current.config_vars.values())) == 1
    code, said = finish(start(env, "config", "set", "A=x"))
    assert code == 0, said


def test_get_imports_the_state_and_click_and_little_else(env: dict[str, str]) -> None:
    script = (
        "import sys\nfrom runner.main import main\nmain(['config', 'get', 'A'])\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, check=True, timeout=20
    )
    modules = set(done.stdout.decode().split())
    assert "runner.state.state" in modules
    needless = {"runner.session", "runner.engines", "runner.supervisor", "runner.overview",
                "runner.config.editor", "runner.config.dialects", "runner.config.changes",
                "slugc.store", "slugc.slug", "subprocess", "socket", "tempfile"}  # fmt: skip
    assert modules & needless == set()
