"""bin/detect as a Cloud Native Buildpack: 0 and a build plan, or 100 for "not mine"."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.detect import find_evidence
from buildpack.detect_closely import failure_message, find_other_evidence

NOT_MINE = 100
PLAN = """[[provides]]
name = "python"

[[requires]]
name = "python"
"""


def main(argv: Sequence[str]) -> int:
    """Answer for the app in the current directory, where the lifecycle starts us.

    ``detect PLATFORM_DIR BUILD_PLAN``: the variables say the same.
    """
    del argv
    return detect(Path.cwd(), os.environ)


def detect(source_dir: Path, env: Mapping[str, str]) -> int:
    """Write the build plan if there is a Python app in ``source_dir``."""
    app_dir = source_dir / env.get("SLUGKIT_APP_DIR", "")
    names = sorted(path.name for path in app_dir.iterdir()) if app_dir.is_dir() else []
    if not (find_evidence(names) or find_other_evidence(str(app_dir), names)):
        sys.stderr.write(failure_message(str(app_dir), names))
        return NOT_MINE
    Path(env["CNB_BUILD_PLAN_PATH"]).write_text(PLAN, "utf-8")
    return 0
