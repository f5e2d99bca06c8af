"""``slugc build -o -``: the slug on standard output, once it is whole."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import UsageError
from buildpack.support.values import changed
from slugc.build_command import build_and_show, make_request
from slugc.history import forget_output
from slugc.privileges import data_dir
from slugc.scratch import opened_scratch

STDOUT = "standard output"


class SlugToTerminalError(UsageError):
    """A slug would go to a screen."""

    id = "slug-to-terminal"

    def __init__(self) -> None:
        super().__init__(
            "A slug is not written to a terminal",
            resolution="Send it to a file or a program:\n\n    slugc build -o - > app.slug",
        )


class TwoOutputsError(UsageError):
    """Two things would go to standard output."""

    id = "two-outputs"

    def __init__(self) -> None:
        super().__init__(
            "Standard output takes the slug or JSON, not both",
            resolution="Give the slug a file: slugc build --json -o app.slug",
        )


def build_to_stdout(
    source: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> None:
    """Build, and write the slug's bytes to standard output when there is nothing left to fail."""
    if options["as_json"] is True:
        raise TwoOutputsError
    if sys.stdout.isatty():
        raise SlugToTerminalError
    with opened_scratch(data_dir(env)) as scratch:
        output = scratch / "app.slug"
        request = make_request(source, {**options, "output": str(output)}, env=env, cwd=cwd)
        build_and_show(changed(request, output_shown=STDOUT), options)
        forget_output(request.data_dir, str(output))  # nothing is left to list
        with output.open("rb") as slug:
            shutil.copyfileobj(slug, sys.stdout.buffer, 1024 * 1024)
        sys.stdout.buffer.flush()
