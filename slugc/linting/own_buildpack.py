"""What our own buildpack would say of an app: it is asked, as a program, for its plan."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, capture
from buildpack.support.errors import SlugkitError, printable
from slugc.build_environment import build_path
from slugc.buildpacks.errors import unmarked
from slugc.buildpacks.spec import own_root
from slugc.linting.finding import Finding, Severity
from slugc.privileges import run_identity
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.staging import Stager

LIMIT = 60.0  # seconds; a plan takes a tenth of one
_BLOCK = re.compile(r"^ !     (Error|Warning): (.*)")
_PLACE = re.compile(r"^\s*([^\s:]+):(\d+)(?::(\d+))?:? (.*)")


def ask_own_buildpack(top: Path, rules: IgnoreRules, env: Mapping[str, str]) -> Iterator[Finding]:
    """Errors and warnings of the plan, if the app is one of ours; nothing is built or run.

    It is shown a copy of the source, less what a build would leave out.
    """
    with tempfile.TemporaryDirectory(prefix="slugc-lint-") as directory:
        copy = Path(directory)
        try:
            Stager(rules=rules, owner=run_identity()).copy(top, copy)
        except SlugkitError:
            return  # what no slug can hold is told of already
        yield from _ask(copy, env)


def _ask(top: Path, env: Mapping[str, str]) -> Iterator[Finding]:
    program = os.fspath(own_root() / "bin" / "detect")
    if _said((program, os.fspath(top)), env) is not None:
        return
    main = os.fspath(own_root() / "buildpack" / "__main__.py")
    said = _said((sys.executable, "-I", "-B", main, "plan", os.fspath(top)), env, keep=True)
    yield from findings_in(said or ())


def _said(
    argv: tuple[str, ...], env: Mapping[str, str], *, keep: bool = False
) -> Sequence[str] | None:
    """What a program wrote to standard error: None when it succeeded, unless it is to ``keep``."""
    lines: list[str] = []
    passed = {
        name: text for name, text in env.items() if name.startswith(("PIP_", "UV_", "SLUGKIT_"))
    }
    command = Command(
        argv=argv, cwd=own_root(), env={**passed, "PATH": build_path()}, timeout=LIMIT
    )
    try:
        capture(command, on_error_line=lines.append)
    except CommandFailedError:
        return lines
    except CommandTimeoutError as err:
        return [f" !     Error: {err.brief}"]
    return lines if keep else None


def findings_in(said: Sequence[str]) -> Iterator[Finding]:
    """The blocks of what a buildpack wrote: one finding for each place that a block names, or one
    for all of it."""
    for severity, headline, body in _blocks(said):
        places = [found for line in body if (found := _PLACE.match(line))]
        for found in places:
            yield Finding(
                severity=severity,
                id="python",
                text=f"{found[4]} ({headline})",
                file=found[1],
                line=int(found[2]),
                column=int(found[3] or 1),
            )
        if not places:
            text = " ".join([f"{headline}.", *" ".join(body).split()])
            yield Finding(severity=severity, id="python", text=printable(text, limit=300))


def _blocks(said: Sequence[str]) -> Iterator[tuple[Severity, str, Sequence[str]]]:
    """Kind, headline and the lines below it."""
    starts = [(at, found) for at, line in enumerate(said) if (found := _BLOCK.match(line))]
    ends = [at for at, _ in starts[1:]] + [len(said)]
    for (start, found), end in zip(starts, ends, strict=False):
        severity = Severity.ERROR if found[1] == "Error" else Severity.WARNING
        yield severity, found[2], unmarked(said[start + 1 : end])
