"""What slug-run would say of an app.json: it is asked, as a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.command import Command, capture
from slugc.build_environment import build_path
from slugc.buildpacks.choice import APP_JSON
from slugc.linting.finding import Finding, Severity
from slugc.linting.json_place import find_place, shown_place

LIMIT = 60.0  # seconds; it takes a tenth of one
ASKED = frozenset({"cron", "healthchecks", "formation"})
"""without one of these there is nothing to ask"""


def ask_own_runner(content: bytes, text: str) -> Iterator[Finding]:
    """What it says of ``content``, which is JSON, and ``text`` when decoded.

    No errors: what it refuses to deploy can be built.
    """
    argv = (sys.executable, "-P", "-m", "runner.app_json.lint")
    command = Command(
        argv=argv, cwd=Path("/"), env={"PATH": build_path()}, timeout=LIMIT, stdin=content
    )
    for said in json.loads(capture(command)):
        line, column = find_place(text, said["place"])
        yield Finding(
            severity=Severity(said["severity"]),
            id=said["id"],
            text=f"'{shown_place(said['place'])}' {said['text'].rstrip('.')}",
            file=APP_JSON,
            line=line,
            column=column,
        )
