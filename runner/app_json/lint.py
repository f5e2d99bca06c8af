"""``python -m runner.app_json.lint < app.json``: what slug-run would say of it, as JSON.

`slugc lint` asks this program, as it asks our buildpack: the grammar stays here, and slugc needs
not import who runs what it builds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping

from runner.app_json.cron import parse_cron
from runner.app_json.document import AppJsonError, Remark
from runner.app_json.manifest import parse_manifest


def remarks(content: bytes) -> Iterator[Mapping[str, object]]:
    """Every problem, which would refuse a deploy, and every part that is left out."""
    yield from _of(parse_cron, content)
    yield from _of(parse_manifest, content)


def _of(parse: Callable[[bytes], object], content: bytes) -> Iterator[Mapping[str, object]]:
    try:
        found = parse(content)
    except AppJsonError as err:
        yield from (_as_json(problem, err.id, "warning") for problem in err.problems)
        return
    for note in getattr(found, "notes", ()):
        yield _as_json(note, "app-json-left-out", "note")


def _as_json(remark: Remark, name: str, severity: str) -> Mapping[str, object]:
    return {"place": remark.place, "text": remark.what, "id": name, "severity": severity}


if __name__ == "__main__":
    json.dump(list(remarks(sys.stdin.buffer.read())), sys.stdout)
