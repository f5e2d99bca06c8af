"""A source on a network mount whose server is gone: the kernel waits for its answer for ever."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.build_support import make_app

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="mounting takes root"),
    pytest.mark.skipif(shutil.which("bindfs") is None, reason="bindfs is not installed"),
]
PATIENCE = 60  # seconds


@pytest.fixture
def hung(open_dir: Path) -> Iterator[Path]:
    """An app on a mount whose server answers nothing any more."""
    far = open_dir / "far"
    far.mkdir()
    with subprocess.Popen(("bindfs", "-f", make_app(open_dir / "app"), far)) as server:
        until = time.monotonic() + PATIENCE
        while not os.path.ismount(far):
            assert time.monotonic() < until
            time.sleep(0.05)
        server.send_signal(signal.SIGSTOP)
        yield far
        server.send_signal(signal.SIGCONT)
        subprocess.run(("umount", far), check=True, timeout=PATIENCE)


@contextlib.contextmanager
def building(hung: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    words = (sys.executable, "-m", "slugc.main", "build", hung, "-o", hung.parent / "x.slug")
    env = {**os.environ, "SLUGKIT_HOME": os.fspath(hung.parent / "home")}
    with subprocess.Popen((*words, *options), stderr=subprocess.PIPE, text=True, env=env) as build:
        try:
            yield build
        finally:
            build.kill()


def test_a_build_of_what_does_not_answer_ends_at_its_time_limit(hung: Path) -> None:
    with building(hung, "--timeout", "1") as build:
        _, said = build.communicate(timeout=PATIENCE)
    assert build.returncode == 124
    assert f"Error: {hung} could not be read within 1 second\n" in said
    assert "If it lies on a network mount, the server may be gone." in said


def test_ctrl_c_ends_a_build_of_what_does_not_answer(hung: Path) -> None:
    with building(hung) as build:
        until = time.monotonic() + PATIENCE
        while len(os.listdir(f"/proc/{build.pid}/task")) < 2:  # noqa: PTH208 - it asks in a thread
            assert time.monotonic() < until
            assert build.poll() is None
            time.sleep(0.05)
        build.send_signal(signal.SIGINT)
        _, said = build.communicate(timeout=PATIENCE)
    assert (build.returncode, said) == (130, "\nStopped. Nothing was written.\n")
