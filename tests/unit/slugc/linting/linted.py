"""What is said of a source of a few files."""

from __future__ import annotations

from pathlib import Path

from slugc.linting.lint import lint_source


def linted(top: Path, **files: str) -> list[str]:
    """What is said of a source of these files: ``a__b`` is ``a/b``, ``_a`` is ``.a``."""
    for name, text in files.items():
        path = top / (f".{name[1:]}" if name[0] == "_" else name).replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [one.shown for one in lint_source(top, {"SLUGKIT_HOME": "/nonexistent"})]
