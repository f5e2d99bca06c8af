"""``slugc`` alone, in the directory of an app: what it would run, and what to type next."""

from __future__ import annotations

from pathlib import Path

from buildpack.support.errors import SlugkitError, printable
from slugc.procfile import PROCFILE, read_procfile
from slugc.sources.source import Source, SourceKind


def next_steps(top: Path) -> str:
    """A few lines about the app in ``top``, which has a Procfile."""
    name = Source(kind=SourceKind.DIRECTORY, location=str(top)).app_name
    try:
        types = read_procfile(top) or {}
        said = f"The {PROCFILE} here names: {', '.join(map(printable, types))}"
        first = "web" if "web" in types else next(iter(types), "web")
    except SlugkitError as err:
        said, first = f"{err.brief}.", "web"
    steps = (
        ("slugc lint", "what a build would stumble over"),
        ("slugc build", f"build {name}.slug, with all it needs"),
        (f"slug-run {first} --slug {name}.slug", "run it"),
    )
    width = max(len(command) for command, _ in steps)
    lines = "\n".join(f"  {command:<{width}}  {what}" for command, what in steps)
    return f"{said}\n\n{lines}\n\nAll commands: slugc --help\n"
