"""Where a Debian without python3-venv has no way to pip, the error is one of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from buildpack.tools import read_tool

SCRIPT = Path(__file__).resolve().parents[3] / "bin/lib/install_pip.py"


def test_what_goes_wrong_is_told_as_every_error_is(tmp_path: Path) -> None:
    (tmp_path / read_tool("uv").filename).write_text("no wheel")
    done = subprocess.run(
        (sys.executable, "-I", str(SCRIPT), str(tmp_path / "venv"), str(tmp_path)),
        env={"PIP_FIND_LINKS": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert done.returncode == 76
    assert done.stderr.startswith("\n !     Error: ")
    assert "Traceback" not in done.stderr
