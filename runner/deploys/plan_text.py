"""A plan as a person reads it, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from buildpack.support.errors import printable
from buildpack.support.urls import without_passwords
from runner.deploys.errors import short
from runner.deploys.plan import Change, Plan
from runner.deploys.tables import in_columns, shown_duration, shown_size
from runner.formation import RELEASE
from slugc.procfile import ProcessType


def plan_text(plan: Plan, *, timeout: float) -> str:
    """The plan, a line for each kind of change."""
    checksum = short(plan.after.metadata.checksum)
    if not plan.is_change:
        assert plan.current is not None
        return f"{plan.app} {plan.current.label} has the slug {checksum} already: nothing to do\n"
    before = plan.current.label if plan.current else "(no release)"
    rows = [
        ("slug", _slug_words(plan)),
        *((change.name, _change_words(change)) for change in plan.facts),
        ("buildpacks", _joined(f"{x.sign} {x.name}{_from_to(x)}" for x in plan.buildpacks)),
        ("types", _joined(_type_words(plan, change) for change in plan.types)),
        ("tasks", _joined(_task_words(change) for change in plan.tasks)),
        ("config", _config_words(plan)),
        ("release", _release_words(plan, timeout)),
        ("order", _order_words(plan)),
    ]
    shown = [(f"  {name}", text) for name, text in rows if text]
    return f"{plan.app} {before} -> v{plan.version}\n{in_columns(shown)}"


def plan_document(plan: Plan, *, timeout: float) -> Mapping[str, object]:
    """The same as JSON."""
    current = plan.current
    command = plan.release_command
    return {
        "app": plan.app,
        "changes": plan.is_change,
        "current": None if current is None else current.version,
        "version": plan.version if plan.is_change else None,
        "slug": {
            "before": current.slug if current else None,
            "after": plan.after.metadata.checksum,
            "growth": plan.growth,
            "layers": _documents(plan.layers),
        },
        "facts": _documents(plan.facts),
        "buildpacks": _documents(plan.buildpacks),
        "process_types": _documents(plan.types),
        "tasks": _documents(plan.tasks),
        "config_vars": _documents(plan.config_vars),
        "overridden": list(plan.overridden),
        "release_command": None if command is None else without_passwords(command),
        "release_timeout": timeout if command else None,
        "formation": dict(plan.counts),
    }


def _slug_words(plan: Plan) -> str:
    after = short(plan.after.metadata.checksum)
    size = sum(layer.size for layer in plan.after.metadata.layers)
    if plan.current is None or plan.current.slug is None:
        return f"{after} ({shown_size(size)})"
    before = short(plan.current.slug)
    if plan.before is None:
        return f"{before} -> {after} ({shown_size(size)}; {before} is gone, so changes are unknown)"
    sign = "-" if plan.growth < 0 else "+"
    layers = ", ".join(change.name for change in plan.layers) or "none"
    return f"{before} -> {after} ({sign}{shown_size(plan.growth)}; layers changed: {layers})"


def _change_words(change: Change) -> str:
    return (
        f"{change.before or 'none'} -> {change.after or 'none'}"
        if change.before
        else (change.after or "")
    )


def _from_to(change: Change) -> str:
    if change.sign == "~":
        return f" {change.before} -> {change.after}"
    return f" {change.after or change.before}"


def _type_words(plan: Plan, change: Change) -> str:
    name = change.name
    if change.sign == "~":
        return f"~ {name}: command changed"
    if change.sign == "-":
        return f"- {name}"
    if name == RELEASE:
        return f"+ {name}"
    return f"+ {name} (starts at {plan.counts.get(ProcessType(name), 0)})"


def _task_words(change: Change) -> str:
    if change.sign == "-":
        return f"- {change.name}"
    return f"{change.sign} {change.name} ({without_passwords(change.after or '')})"


def _config_words(plan: Plan) -> str:
    if not plan.config_vars:
        return "no change"
    return _joined(
        f"{change.sign} {change.name} ({_whose(plan, change.name)})" for change in plan.config_vars
    )


def _whose(plan: Plan, name: str) -> str:
    if name in plan.overridden:
        return "the slug's default; the app has its own, so nothing changes"
    return "the slug's default"


def _release_words(plan: Plan, timeout: float) -> str:
    command = plan.release_command
    if command is None:
        return ""
    shown = printable(without_passwords(command), limit=200)
    return f"{shown}     runs first, {shown_duration(timeout)} limit"


def _order_words(plan: Plan) -> str:
    counts = ", ".join(f"{name} ({count})" for name, count in plan.counts.items() if count)
    return f"then anew: {counts}" if plan.release_command and counts else counts


def _joined(parts: Iterable[str]) -> str:
    return "   ".join(printable(part, limit=200) for part in parts)


def _documents(changes: Iterable[Change]) -> list[Mapping[str, object]]:
    signs = {"+": "added", "-": "removed", "~": "changed"}
    return [
        {
            "name": change.name,
            "change": signs[change.sign],
            **{
                key: without_passwords(text)
                for key, text in (("before", change.before), ("after", change.after))
                if text is not None
            },
        }
        for change in changes
    ]
