"""Config vars as a person, a shell or a program wants them, and how a change is reported."""

from __future__ import annotations

from collections.abc import Mapping

from runner.config.changes import ConfigOutcome
from runner.config.masking import masked, revealed


def listed(app: str, config_vars: Mapping[str, str], *, form: str, reveal: bool) -> str:
    """All of them, as ``form`` (list, shell, json) has it. Only a list hides secrets: the others
    are made to be read back."""
    if form == "shell":
        from runner.config.written import shell_text

        return shell_text(config_vars)
    if form == "json":
        import json

        return json.dumps(dict(config_vars), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    shown = revealed if reveal else masked
    width = max(map(len, config_vars), default=0) + 1
    lines = (
        f"{f'{name}:':<{width}} {shown(name, config_vars[name])}" for name in sorted(config_vars)
    )
    return "".join(f"{line}".rstrip() + "\n" for line in (f"=== {app} Config Vars", "", *lines))


def result_document(outcome: ConfigOutcome) -> Mapping[str, object]:
    """What came of a change, for programs: names, no values."""
    before, after, release = outcome.before, outcome.after, outcome.release
    return {
        "version": None if release is None else release.version,
        "changed": release is not None,
        "set": sorted(name for name in after if before.get(name) != after[name]),
        "unset": sorted(before.keys() - after.keys()),
    }


def result(outcome: ConfigOutcome) -> tuple[str, str]:
    """What to say of a change, and the values that were set."""
    if outcome.release is None:
        return f"Nothing changed: {outcome.app} has it so already.", ""
    before, after = outcome.before, outcome.after
    assigned = sorted(name for name in after if before.get(name) != after[name])
    said = f"{outcome.release.description} on {outcome.app}: {outcome.release.label}"
    lines = (f"{name}: {masked(name, after[name])}".rstrip() for name in assigned)
    return said, "".join(f"{line}\n" for line in lines)
