"""What the doctor found: values, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """something is not there or does not hold; apps run all the same"""
    FAIL = "fail"


@value
class Finding:
    """One thing that was looked at. ``fix`` is what to do about it, if anything."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""
    is_engine: bool = False
    """whether a failure means that no container can be started"""


def ok(name: str, found: str) -> Finding:
    return Finding(name=name, verdict=Verdict.OK, found=found)


def warn(name: str, found: str, fix: str = "") -> Finding:
    return Finding(name=name, verdict=Verdict.WARN, found=found, fix=fix)


def fail(name: str, found: str, fix: str = "") -> Finding:
    return Finding(name=name, verdict=Verdict.FAIL, found=found, fix=fix)


def from_error(name: str, error: SlugkitError, verdict: Verdict = Verdict.FAIL) -> Finding:
    """What the command that needs it would say."""
    found = ". ".join(filter(None, (error.brief, _line(error.details))))
    return Finding(name=name, verdict=verdict, found=found, fix=_line(error.resolution))


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """69 when no container can be started, 1 when something else is broken."""
    failed = [each for each in findings if each.verdict is Verdict.FAIL]
    if any(each.is_engine for each in failed):
        return ExitCode.UNAVAILABLE
    return ExitCode.FAILED if failed else ExitCode.OK


def report(findings: Sequence[Finding]) -> str:
    """Lines in three columns, each fix under what it mends."""
    width = max(len(each.name) for each in findings)
    lines = []
    for each in findings:
        lines.append(f"{each.verdict:<5} {each.name:<{width}}  {each.found}")
        if each.fix:
            lines.append(f"{'':<6}{'':<{width}}  -> {each.fix}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding], engine: str) -> dict[str, object]:
    """The same for programs."""
    return {
        "ok": exit_code(findings) is ExitCode.OK,
        "engine": engine,
        "findings": [
            {
                "name": each.name,
                "verdict": str(each.verdict),
                "found": each.found,
                "fix": each.fix or None,
            }
            for each in findings
        ],
    }


def _line(text: str) -> str:
    return " ".join(text.split())
