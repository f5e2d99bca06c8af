"""What differs between the config vars of two releases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from buildpack.support.values import NOTHING
from runner.state.errors import NoSuchReleaseError
from runner.state.state import State
from runner.state.values import App, ReleaseRecord, ReleaseStatus

Shown = Callable[[str, str], str]
"""A value as it may be shown, from its name and itself."""


def compared(
    old_release: ReleaseRecord | None, new_release: ReleaseRecord | None, shown: Shown
) -> Iterator[str]:
    """One line for each name that differs: ``+ A: 1``, ``- B: 2``, ``~ C: 1 -> 2``."""
    before, after = _config_vars(old_release), _config_vars(new_release)
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None or new is None:
            sign, only = ("+", new) if old is None else ("-", old)
            yield f"{sign} {name}: {shown(name, only or '')}"
            continue
        was, now = shown(name, old), shown(name, new)
        yield f"~ {name}: {was} -> {now}" + (" (another value)" if was == now else "")


def compared_document(
    old: ReleaseRecord | None, new: ReleaseRecord | None, shown: Shown
) -> Mapping[str, object]:
    """The same for programs; None is a release, or a value, that there is not."""
    before, after = _config_vars(old), _config_vars(new)
    return {
        "from": old.version if old else None,
        "to": new.version if new else None,
        "config_vars": [
            {
                "name": name,
                "before": shown(name, before[name]) if name in before else None,
                "after": shown(name, after[name]) if name in after else None,
            }
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ],
    }


def _config_vars(release: ReleaseRecord | None) -> Mapping[str, str]:
    return release.config_vars if release else NOTHING


def parse_version(state: State, app: App, text: str) -> ReleaseRecord:
    """The release ``v3`` or ``3``. Raises NoSuchReleaseError."""
    if not re.fullmatch(r"v?[0-9]{1,9}", text, re.ASCII):
        newest = state.releases(app, limit=1)
        raise NoSuchReleaseError(app.name, text, newest[0].version if newest else 0)
    return state.release(app, int(text.removeprefix("v")))


def chosen_pair(
    state: State, app: App, asked: tuple[str, ...]
) -> tuple[ReleaseRecord | None, ReleaseRecord | None]:
    """The releases to compare: those asked for; else the current one, and the one before it."""
    current = state.current(app)
    if len(asked) == 2:
        return parse_version(state, app, asked[0]), parse_version(state, app, asked[1])
    if asked:
        return parse_version(state, app, asked[0]), current
    may_run = [x for x in state.releases(app) if x.status is ReleaseStatus.SUCCEEDED]
    return (may_run[1] if len(may_run) > 1 else None), current
