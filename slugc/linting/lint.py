"""Looks at a source from all sides: the table of contents of this room."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, printable
from slugc.buildpacks.spec import OWN
from slugc.linting.app_files import lint_app_json, lint_buildpacks, lint_env_file
from slugc.linting.finding import Finding, Severity
from slugc.linting.ignored import lint_ignored, read_ignore_files
from slugc.linting.own_buildpack import ask_own_buildpack
from slugc.linting.procfile import lint_procfile
from slugc.linting.secrets import lint_secrets
from slugc.linting.tree import TreeEntry, walk
from slugc.privileges import data_path
from slugc.procfile import PROCFILE
from slugc.sources.errors import SourceKindError
from slugc.sources.slugignore import BEFORE
from slugc.sources.source import SourceKind, parse_source


def lint_source(top: Path, env: Mapping[str, str]) -> tuple[Finding, ...]:
    """All there is to say of the source in ``top``, by file and line."""
    findings = list(lint_procfile(top))
    rules, of_rules = read_ignore_files(top)
    findings += of_rules
    entries = tuple(walk(top, rules))
    findings += lint_ignored(rules, entries)
    findings += _empty(entries)
    findings += _unfit(entries)
    findings += lint_env_file(top)
    findings += lint_app_json(top)
    choice, of_buildpacks = lint_buildpacks(top, data_path(env), env)
    findings += of_buildpacks
    findings += lint_secrets(top, entries)
    if choice is not None and OWN in choice.specs:
        findings += ask_own_buildpack(top, rules, env)
    return tuple(sorted(dict.fromkeys(findings), key=_order))


def _empty(entries: Sequence[TreeEntry]) -> list[Finding]:
    kept = [entry for entry in entries if not entry.is_left_out]
    if any(not entry.is_dir or entry.path == PROCFILE for entry in kept):
        return []
    text, file = "there is no file to build from", ""
    if ignored := sum(entry.is_left_out and entry.path != PROCFILE for entry in entries):
        text, file = f"leaves out all {ignored:,} entries, so the slug would be empty", BEFORE
    return [Finding(severity=Severity.ERROR, id="source-empty", text=text, file=file)]


def _unfit(entries: Sequence[TreeEntry]) -> list[Finding]:
    return [
        Finding(severity=Severity.ERROR, id="source-refused", text=entry.problem, file=entry.path)
        for entry in entries
        if entry.problem and not entry.is_left_out
    ]


def _order(finding: Finding) -> tuple[object, ...]:
    return (finding.file, finding.line, finding.column, finding.id, finding.text)


def lint_from_options(
    source: str, *, as_json: bool, env: Mapping[str, str], cwd: Path
) -> tuple[str, str, int]:
    """What goes to standard output, a line of summary, and the exit code."""
    found = parse_source(source, cwd=cwd, home=env.get("HOME"))
    if found.kind is not SourceKind.DIRECTORY:
        raise SourceKindError(source, "no directory, and nothing else is looked at")
    findings = lint_source(found.path, env)
    code = exit_code(findings)
    if as_json:
        return f"{json.dumps([_document(one) for one in findings])}\n", "", code
    return "".join(f"{one.shown}\n" for one in findings), _summary(findings), code


def exit_code(findings: Sequence[Finding]) -> int:
    """65 if a build would fail, 1 if there are warnings; notes are no reason to stop anybody."""
    severities = {finding.severity for finding in findings}
    if Severity.ERROR in severities:
        return ExitCode.DATA
    return ExitCode.FAILED if Severity.WARNING in severities else ExitCode.OK


def _summary(findings: Sequence[Finding]) -> str:
    counts = {kind: sum(one.severity is kind for one in findings) for kind in Severity}
    said = [f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items() if count]
    return f"{', '.join(said) or 'Nothing found'}."


def _document(finding: Finding) -> Mapping[str, object]:
    return {
        "file": printable(finding.file, limit=4096) or None,
        "line": finding.line or None,
        "column": max(finding.column, 1) if finding.line else None,
        "severity": finding.severity.value,
        "id": finding.id,
        "text": " ".join(finding.text.split()),
    }
