"""What .slugignore leaves out that it should not, and lines of it that do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from buildpack.support.errors import Problem, printable
from slugc.build_log import MANIFESTS
from slugc.linting.finding import Finding, Severity, findings_of
from slugc.linting.tree import TreeEntry
from slugc.procfile import PROCFILE
from slugc.sources.slugignore import (
    AFTER,
    BEFORE,
    IgnoreRules,
    SlugignoreError,
    parse_rules,
    read_rules,
)

MOST_TRIES = 2_000_000
"""Lines times entries; to try more takes longer than anybody waits."""
_PLACED = re.compile(r"[^:]+(?::(\d+))?: (.*)", re.S)


def read_ignore_files(top: Path) -> tuple[IgnoreRules, list[Finding]]:
    """The rules for the source, and what is wrong with either file."""
    rules, findings = IgnoreRules(), []
    for name in (BEFORE, AFTER):
        try:
            found = read_rules(top, name)
        except SlugignoreError as err:
            findings += findings_of(name, map(_problem, err.problems), err.id)
            continue
        if name == BEFORE:
            rules = found
    return rules, findings


def lint_ignored(rules: IgnoreRules, entries: Sequence[TreeEntry]) -> Iterator[Finding]:
    """What the rules do to the source, where that is seldom meant."""
    for entry in entries:
        if entry.is_left_out and entry.path == PROCFILE:
            yield _said_of(rules, entry, "leaves out the Procfile, which is kept all the same")
        elif entry.is_left_out and entry.path in MANIFESTS:
            yield _said_of(rules, entry, f"leaves out {entry.path}, which buildpacks look for")
    yield from _kept_in_vain(rules)
    if len(rules.lines) * len(entries) <= MOST_TRIES:
        yield from _without_effect(rules, entries)


def _said_of(rules: IgnoreRules, entry: TreeEntry, what: str) -> Finding:
    line = next(
        number
        for number, text in reversed(rules.lines)
        if _alone(text).ignores(entry.path, is_dir=entry.is_dir)
    )
    return _finding("leaves-out", line, what)


def _kept_in_vain(rules: IgnoreRules) -> Iterator[Finding]:
    """A `!` cannot bring back what lies in a directory that is left out, as in git."""
    for number, text in rules.lines:
        pattern = text.removeprefix("!").strip().strip("/")
        if not text.startswith("!") or re.search(r"[*?\[\\]", pattern):
            continue
        parts = pattern.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if rules.ignores(parent, is_dir=True):
                what = f"brings nothing back: '{printable(parent)}/' itself is left out"
                yield _finding("keeps-in-vain", number, what)
                break


def _without_effect(rules: IgnoreRules, entries: Sequence[TreeEntry]) -> Iterator[Finding]:
    for number, text in rules.lines:
        if text.startswith("!"):
            continue
        rule = _alone(text)
        if not any(rule.ignores(entry.path, is_dir=entry.is_dir) for entry in entries):
            shown = printable(text.encode("latin-1"))
            what = f"'{shown}' leaves nothing out that is there and not left out already"
            yield _finding("leaves-nothing-out", number, what, Severity.NOTE)


def _alone(line: str) -> IgnoreRules:
    return parse_rules(line.encode("latin-1"))


def _finding(
    id: str,  # noqa: A002  # its name
    line: int,
    text: str,
    severity: Severity = Severity.WARNING,
) -> Finding:
    return Finding(severity=severity, id=id, text=text, file=BEFORE, line=line, column=1)


def _problem(text: str) -> Problem:
    """One of SlugignoreError's, which name file and line themselves."""
    found = _PLACED.fullmatch(text)
    if found is None:
        return Problem(line=0, column=0, what=text)
    return Problem(line=int(found[1] or 0), column=int(bool(found[1])), what=found[2])
