"""Detached one-offs as ``slug-run ps`` shows them. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from runner.one_offs.notes import Note
from runner.supervision.table import line


def one_offs_text(notes: Sequence[Note], *, now: float, zone: tzinfo | None = None) -> str:
    """A heading, and a line for each, as Heroku prints them."""
    lines = [f"=== run: one-off processes ({len(notes)})"]
    lines += [f"{line(note.row, now, zone)}: {note.command}" for note in notes]
    return "\n".join(lines)
