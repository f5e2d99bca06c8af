"""Runs a bash line in a build's sandbox and tells what came of it, as JSON.

A program of its own so that an ordinary user can run it as well: it needs the standard library and
slugc's sandbox alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from buildpack.support.command import CommandFailedError
from slugc.privileges import hand_over
from slugc.sandbox.base import NetworkPolicy, SandboxCommand, SandboxRequest
from slugc.sandbox.embedded import EmbeddedSandbox
from slugc.sandbox.limits import BuildLimits, LimitReachedError
from slugc.sandbox.policy import WORK_DIR


def main() -> None:
    """``build_probe.py ROOT PLAN``: the plan is JSON too."""
    root, plan = Path(sys.argv[1]), json.loads(sys.argv[2])
    for directory in (root / "work", root / "home"):
        directory.mkdir(exist_ok=True)
        hand_over(directory)
    request = SandboxRequest(
        work_dir=root / "work",
        network=NetworkPolicy(plan.get("network", "on")),
        settings=plan.get("settings", {}),
        limits=BuildLimits(**plan.get("limits", {})),
    )
    argv = ("/bin/bash", "-c", plan["script"], "probe", *plan.get("words", ()))
    phase = SandboxCommand(
        argv=argv, cwd=WORK_DIR, env={"PATH": os.defpath}, timeout=30, title="bin/compile"
    )
    lines: list[str] = []
    error = ""
    with EmbeddedSandbox(request) as sandbox:
        try:
            sandbox.stream(phase, lines.append)
        except (CommandFailedError, LimitReachedError) as err:
            error = err.brief
        shown = sandbox.network
        notices = sandbox.notices
    print(json.dumps({"lines": lines, "error": error, "network": shown, "notices": notices}))


if __name__ == "__main__":
    main()
