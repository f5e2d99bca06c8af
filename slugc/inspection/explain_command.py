"""``slugc explain`` from its words to the text it prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from slugc.inspection.contents import read_contents
from slugc.inspection.explanation import explain, overview
from slugc.inspection.inspect_command import known_build, terminal_width
from slugc.inspection.left_out_rules import RULE_FILES, read_left_out
from slugc.inspection.packages import describes_a_package, find_packages
from slugc.inspection.tree_view import clean_path
from slugc.slug import read_slug


def explain_from_options(
    slug: str, path: str, *, as_json: bool, env: Mapping[str, str], cwd: Path
) -> str:
    """Why ``path`` is in the slug or not; without it, what was left out."""
    found = read_slug(cwd / slug)
    build = known_build(found, env)
    asked = clean_path(path)
    if not asked:
        known = read_left_out(found, read_contents(found, keep=RULE_FILES.__contains__), build)
        if as_json:
            rules = [{"place": rule.place, "line": rule.line} for rule in known.rules]
            document = {"left_out": dict(known.reasons), "count": known.count, "rules": rules}
            return json.dumps(document, indent=2) + "\n"
        return overview(found, known, width=terminal_width(env))
    kept = {asked, *RULE_FILES}
    contents = read_contents(found, keep=lambda x: x in kept or describes_a_package(x))
    packages = find_packages(found, contents)
    answer = explain(found, contents, packages, asked, build)
    if as_json:
        return json.dumps(answer.document(), indent=2) + "\n"
    return answer.text(terminal_width(env))
