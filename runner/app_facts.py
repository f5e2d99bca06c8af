"""What is known of an app, for ``apps list`` and ``info``: no value of a config var is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildpack.support.errors import printable
from buildpack.support.values import value
from runner.formation import WEB
from runner.front import router_url
from runner.state.state import State
from runner.state.values import App, ReleaseRecord, WantedCount
from runner.supervision.wanted import parse_settings


@value
class AppFacts:
    """An app, its current release and what was scaled."""

    app: App
    current: ReleaseRecord | None
    wanted: tuple[WantedCount, ...]
    url: str | None
    """where it answers; None where it is not left running"""


def read_facts(state: State, app: App, env: Mapping[str, str]) -> AppFacts:
    """What the state file knows of ``app``."""
    wanted = tuple(state.formation(app).values())
    return AppFacts(
        app=app, current=state.current(app), wanted=wanted, url=_url(state, app, wanted, env)
    )


def _url(
    state: State, app: App, wanted: Sequence[WantedCount], env: Mapping[str, str]
) -> str | None:
    settings = state.supervision(app)
    if settings is None or not any(each.process_type == WEB and each.quantity for each in wanted):
        return None
    told = parse_settings(settings)
    return router_url(told.bind, told.port, env)


def list_text(facts: Sequence[AppFacts], *, as_json: bool) -> str:
    """One line for each app, or one JSON array."""
    if as_json:
        return _as_json([_fields(each) for each in facts])
    width = max((len(each.app.name) for each in facts), default=0)
    return "".join(f"{each.app.name:<{width}}  {_release_text(each)}\n" for each in facts)


def facts_text(facts: AppFacts, *, as_json: bool) -> str:
    """A few lines, or one JSON object."""
    if as_json:
        return _as_json(_fields(facts))
    current = facts.current
    rows = [
        ("Created", facts.app.created_at),
        ("Release", _release_text(facts)),
        ("Slug", (current.slug if current else None) or "none yet"),
        ("Config vars", str(len(current.config_vars) if current else 0)),
        ("Formation", _formation_text(facts.wanted) or "not scaled yet"),
        *([("URL", facts.url)] if facts.url else []),
    ]
    lines = (f"{label + ':':<13}{text}\n" for label, text in rows)
    return f"=== {facts.app.name}\n\n{''.join(lines)}"


def _release_text(facts: AppFacts) -> str:
    if facts.current is None:
        return "no release yet"
    current = facts.current
    what = printable(f"{current.description} by {current.who}", limit=120)
    return f"{current.label}  {current.created_at}  {what}"


def _formation_text(wanted: Sequence[WantedCount]) -> str:
    return " ".join(
        f"{each.process_type}={each.quantity}" + (f":{each.size}" if each.size else "")
        for each in wanted
    )


def _fields(facts: AppFacts) -> Mapping[str, object]:
    current = facts.current
    return {
        "name": facts.app.name,
        "created_at": facts.app.created_at,
        "release": None
        if current is None
        else {
            "version": current.version,
            "description": current.description,
            "who": current.who,
            "created_at": current.created_at,
            "slug": current.slug,
        },
        "config_vars": sorted(current.config_vars) if current else [],
        "formation": {each.process_type: each.quantity for each in facts.wanted},
        "url": facts.url,
    }


def _as_json(found: object) -> str:
    import json

    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
