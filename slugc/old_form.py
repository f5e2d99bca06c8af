"""``slugc BUILD_DIR BUILDPACK_URL CACHE_DIR OUTPUT_DIR``, as Heroku's slug compiler was called.

It writes ``slug.tgz`` and ``processes.json`` to OUTPUT_DIR.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.files import write_atomically

SLUG, PROCESSES = "slug.tgz", "processes.json"
TIME_LIMIT = "COMPILE_TIMEOUT"
"""In seconds, as that program had it."""


class OutputDirError(SlugkitError):
    """OUTPUT_DIR cannot be made or written to."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "output-dir"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The directory {printable_path(path)} cannot be used",
            details=found,
            resolution="Give a directory that may be made, or written to:\n\n"
            "    slugc BUILD_DIR BUILDPACK_URL CACHE_DIR OUTPUT_DIR",
        )


def is_old_form(words: Sequence[str]) -> bool:
    """Whether these are the four paths, the first of them a directory and no command."""
    if len(words) != 4 or any(word.startswith("-") for word in words):
        return False
    from slugc.commands import command_files

    return words[0] not in command_files() and os.path.isdir(words[0])  # noqa: PTH112  # a word


def build_old_form(words: Sequence[str], env: Mapping[str, str]) -> int:
    """Build as the four words say; the slug's path goes to standard output."""
    from slugc.cli import run_click

    source, buildpack, cache_dir, output = words
    output_dir = Path(output)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputDirError(output_dir, err.strerror or str(err)) from err
    slug = output_dir / SLUG
    limit = ("--timeout", env[TIME_LIMIT]) if env.get(TIME_LIMIT) else ()
    options = (
        "-b",
        buildpack,
        "--cache-dir",
        cache_dir,
        "-o",
        str(slug),
        "--format",
        "tgz",
        *limit,
    )
    code = run_click(("build", *options, "--", source))
    _write_processes(slug, output_dir / PROCESSES)
    return code


def _write_processes(slug: Path, file: Path) -> None:
    from slugc.slug import read_slug

    types = dict(read_slug(slug).metadata.process_types)
    try:
        write_atomically(file, f"{json.dumps(types, indent=2)}\n".encode())
        file.chmod(0o644)
    except OSError as err:
        raise OutputDirError(file.parent, err.strerror or str(err)) from err
