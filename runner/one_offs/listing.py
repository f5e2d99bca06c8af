"""Detached one-offs as ``slug-run ps`` shows them. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from runner.one_offs.notes import Note
from runner.supervision.table import line


def one_offs_text(notes: Sequence[Note], *, now: float, zone: tzinfo | None = None) -> str:
    """A heading for each type, ``run`` or ``scheduler``, and a line for each one-off."""
    lines: list[str] = []
    for kind in dict.fromkeys(note.name.partition(".")[0] for note in notes):
        here = [note for note in notes if note.name.partition(".")[0] == kind]
        lines += ["", f"=== {kind}: one-off processes ({len(here)})"]
        lines += [f"{line(note.row, now, zone)}: {note.command}" for note in here]
    return "\n".join(lines[1:])
