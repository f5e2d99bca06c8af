"""What was left out of a slug: by the record of the build, or by the rules that lie in the slug."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from buildpack.support.errors import printable
from buildpack.support.values import NOTHING, value
from slugc.history import BuildRecord
from slugc.inspection.contents import Contents
from slugc.slug import Slug
from slugc.sources.left_out import BYTECODE, SLUG
from slugc.sources.slugignore import AFTER, BEFORE, IgnoreRules, SlugignoreError, parse_rules
from slugc.sources.staging import LEFT_OUT_AT_TOP, LEFT_OUT_NAMES

RULE_FILES = (BEFORE, AFTER)


@value
class Rule:
    """A line of a rules file in the slug."""

    place: str
    line: str


@value
class KnownLeftOut:
    """What a build on this machine left out; and the rules, which every slug tells."""

    reasons: Mapping[str, str] = NOTHING
    count: int = 0
    rules: tuple[Rule, ...] = ()


def read_left_out(slug: Slug, contents: Contents, build: BuildRecord | None) -> KnownLeftOut:
    """``contents`` was read with its rule files kept, if any are to be known."""
    rules = tuple(
        Rule(place=f"{parsed.name}:{number}", line=printable(line, limit=400))
        for parsed in rules_in(contents)
        for number, line in parsed.lines
    )
    if build is None:
        return KnownLeftOut(rules=rules)
    return KnownLeftOut(reasons=build.left_out.reasons, count=build.left_out.count, rules=rules)


def rules_in(contents: Contents) -> tuple[IgnoreRules, ...]:
    """The rules of .slugignore and .slugignore.after as they lie in the slug; a build whose
    buildpack removed or changed them had others."""
    return tuple(_parsed(contents.kept[name], name) for name in RULE_FILES if name in contents.kept)


@lru_cache(maxsize=8)
def _parsed(content: bytes, name: str) -> IgnoreRules:
    try:
        return parse_rules(content, name)
    except SlugignoreError:
        return IgnoreRules(name=name)  # no build took it; the slug was made otherwise


def reason_to_leave_out(path: str, rules: tuple[IgnoreRules, ...]) -> tuple[str, str] | None:
    """The topmost part of ``path`` that a rule leaves out, and which rule; None if none does."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        here, name = "/".join(parts[:depth]), parts[depth - 1]
        if built_in := _built_in(here, name):
            return here, built_in
        kinds = (True,) if depth < len(parts) else (False, True)
        for each in rules:
            for is_dir in kinds:
                if each.ignores(here, is_dir=is_dir):
                    return here, each.reason(here, is_dir=is_dir)
    return None


def _built_in(path: str, name: str) -> str:
    if "/" not in path and name.endswith(LEFT_OUT_AT_TOP):
        return SLUG
    reason = LEFT_OUT_NAMES.get(name, "")
    # Packages keep theirs: it is a source's that are left out.
    return "" if reason == BYTECODE and path.startswith(".heroku/") else reason
