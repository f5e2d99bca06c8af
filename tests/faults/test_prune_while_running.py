"""What containers run from is not pruned, and is again when slug-run is gone, however it went."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.tiny_builds import Tiny, make_tiny
from tests.waiting import PATIENCE

SLUG_RUN = (sys.executable, "-m", "runner.main")
LINE = "while test -f built; do echo all there; sleep 0.1; done; echo files are $((40 + 2)) gone"
RELEASE = f"#!/usr/bin/env bash\necho 'default_process_types: {{worker: \"{LINE}\"}}'\n"
FOUND = "all there"


@pytest.fixture
def tiny(open_dir: Path) -> Tiny:
    tiny = make_tiny(open_dir)
    (tiny.root / "bp" / "bin" / "release").write_text(RELEASE)
    return tiny


def layers(tiny: Tiny) -> int:
    return len(list((tiny.home / "store" / "layers").iterdir()))


@pytest.mark.parametrize("engine", ["embedded", "host"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "SIGKILL"])
def test_layers_of_running_containers_stay(tiny: Tiny, engine: str, end: signal.Signals) -> None:
    slug = tiny.root / "app.slug"
    assert tiny.build(slug).code == 0
    argv = (*SLUG_RUN, "worker", "--slug", str(slug), "--engine", engine)
    running = subprocess.Popen(
        argv, cwd=tiny.root, env=tiny.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        await_line(running, FOUND)
        pruned = tiny.slugc("prune", "--older-than", "0")
        assert pruned.code == 0, pruned
        assert "in use, kept: 2 unpacked layers" in pruned.stdout
        assert layers(tiny) == 2
        for _ in range(3):
            await_line(running, FOUND)
    finally:
        running.send_signal(end)
        said = running.communicate(timeout=30)[0].decode()
    assert "42 gone" not in said
    assert tiny.slugc("prune", "--older-than", "0").code == 0
    assert layers(tiny) == 0


def await_line(running: subprocess.Popen[bytes], text: str) -> None:
    assert running.stdout is not None
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        line = running.stdout.readline().decode()
        assert line, f"slug-run ended with {running.wait(PATIENCE)}"
        assert "42 gone" not in line
        if text in line:
            return
    raise AssertionError(f"never said {text}")
