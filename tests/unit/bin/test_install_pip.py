"""Where a Debian without python3-venv has no way to pip, the error is one of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "bin/lib/install_pip.py"


def test_what_goes_wrong_is_told_as_every_error_is(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "venv")
    done = subprocess.run(
        (sys.executable, "-I", str(SCRIPT), nowhere, str(tmp_path)),
        env={"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert done.returncode in (1, 75), done.stderr  # of uv itself, or of fetching uv
    assert done.stderr.startswith("\n !     Error: ")
    assert "Traceback" not in done.stderr
