"""Reading Python source without running it: a few questions to the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

LARGEST_SOURCE = 256 * 1024
"""A syntax tree takes up to nine hundred times the memory of its text: 230 MB, half a second."""


def parse_source(path: Path) -> ast.Module | None:
    """The syntax tree of a file; None where there is no file, or its syntax is not ours."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_SOURCE:
            return None
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # the app may be for a newer Python than ours: then nothing is certain


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """A module's statements, also those under `if`, `try` and `with`."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            for field in ("body", "orelse", "finalbody"):
                yield from top_level(getattr(node, field, []))


def assignments(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The plain names a statement binds, and to what."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value


def dotted_name(node: ast.expr) -> str:
    """``flask.Flask`` for an attribute of a name, at most three deep; "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < 3:
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
