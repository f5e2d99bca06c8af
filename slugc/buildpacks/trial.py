"""`slugc buildpacks test`: a buildpack against the buildpack API, and with an app if given one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from buildpack.support.errors import printable
from buildpack.support.values import changed
from slugc.build_request import BuildRequest
from slugc.builder import build_slug
from slugc.buildpacks.check import OPTIONAL_PROGRAMS, PROGRAMS
from slugc.buildpacks.choice import OPTION, Choice
from slugc.buildpacks.fetch import Buildpack
from slugc.buildpacks.spec import BuildpackSpec
from slugc.history import forget_output
from slugc.progress import Progress
from slugc.scratch import SCRATCH, TRIAL, opened_scratch

# What of the API a buildpack may have besides: hooks of test runners, and files that others read.
FURTHER = ("bin/test-compile", "bin/test", "export", "buildpack.toml")


def describe(buildpack: Buildpack) -> tuple[str, ...]:
    """One line for each part of the API: there, or not. Its programs were checked on the way."""
    programs = [f"bin/{name}" for name in (*PROGRAMS, *OPTIONAL_PROGRAMS)]
    lines = [
        f"{name:<18}{_found(buildpack.root / name)}"
        for name in programs + [name for name in FURTHER if (buildpack.root / name).exists()]
    ]
    return (*lines, f"{'digest':<18}{buildpack.digest}")


def _found(path: Path) -> str:
    if not path.is_file():
        return "not there (it need not be)"
    with path.open("rb") as file:
        first = file.readline(200)
    return printable(first.strip()[2:].strip()) if first.startswith(b"#!") else "there"


def try_on_app(
    request: BuildRequest, spec: BuildpackSpec, progress: Progress, say: Callable[[str], None]
) -> None:
    """Build the request's app with this buildpack alone, and keep nothing of it."""
    with opened_scratch(request.data_dir) as place:
        trial = changed(
            request,
            buildpacks=Choice(origin=OPTION, specs=(spec,)),
            output=place / "trial.slug",
            output_shown="a file that is not kept",
            space_root=request.data_dir / SCRATCH / TRIAL,
            keep_cache=False,
            allow_no_processes=True,
            obey_lock=False,
        )
        metadata = build_slug(trial, progress).slug.metadata
        forget_output(request.data_dir, str(trial.output))  # nothing is left to list
    say(f"{'detect':<18}{metadata.buildpacks[0].name}")
    say(f"{'process types':<18}{', '.join(metadata.process_types) or 'none'}")
    say(f"{'config vars':<18}{', '.join(metadata.config_vars) or 'none'}")
