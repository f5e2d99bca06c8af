"""One change of an app's config vars: checked, made as one release, described as Heroku does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import NOTHING, value
from runner.app_lock import PATIENCE
from runner.app_option import OpenedApp
from runner.config_vars import ConfigVarError, merge_config_vars
from runner.host_ports import loopback_notices, read_host_ports
from runner.release import HOST_PORTS
from runner.state.state import Edit
from runner.state.values import App, NewRelease, ReleaseRecord

EXAMPLE = "slug-run config set DEBUG=1"
_MOST_NAMED = 20  # names in a release's description


@value
class ConfigChange:
    """What to set and what to unset; the rest stays as it is when our turn comes."""

    assigned: Mapping[str, str] = NOTHING
    unset: frozenset[str] = frozenset()
    replace: bool = False
    """unset everything that is not assigned"""
    expected: Mapping[str, str | None] = NOTHING
    """what somebody saw before they decided: changed meanwhile, the change is refused"""

    def applied(self, before: Mapping[str, str]) -> Mapping[str, str]:
        """The config vars after the change."""
        kept = {} if self.replace else {k: v for k, v in before.items() if k not in self.unset}
        return MappingProxyType({**kept, **self.assigned})


@value
class ConfigOutcome:
    """How a change ended."""

    app: str
    release: ReleaseRecord | None
    """the release it made; None if nothing changed"""
    before: Mapping[str, str]
    after: Mapping[str, str]


class ConfigConflictError(SlugkitError):
    """Somebody else changed the same config vars since they were read."""

    exit_code = ExitCode.TRY_AGAIN
    id = "config-conflict"

    def __init__(self, app: str, names: tuple[str, ...]) -> None:
        self.app, self.names = app, names
        super().__init__(
            f"The config vars of {app} were changed meanwhile",
            details=f"Changed by you and by somebody else: {', '.join(names)}.",
            resolution="Nothing was changed by you. Look at theirs, then try again:\n\n"
            "    slug-run config diff",
        )


def change_config(
    opened: OpenedApp,
    change: ConfigChange,
    *,
    tell: Callable[[str], None],
    patience: float = PATIENCE,
) -> ConfigOutcome:
    """Make the change, as one release or none. ``tell`` hears warnings, and whom we wait for.

    Raises ConfigVarError, ConfigConflictError, AppLockedError, AppGoneError.
    """
    _require_allowed(change.assigned, warn=tell)
    found: list[Mapping[str, str]] = []

    def edit(current: ReleaseRecord | None) -> NewRelease | None:
        before = current.config_vars if current else NOTHING
        _require_unchanged(opened.app.name, change, before)
        after = change.applied(before)
        _require_allowed(after)
        found[:] = before, after
        if after == before:
            return None
        return NewRelease(
            slug=current.slug if current else None,
            config_vars=after,
            description=describe(before, after),
            who=opened.who,
        )

    from runner.deploys.desk import app_at_rest

    with app_at_rest(
        opened.state,
        opened.data_dir,
        opened.app,
        doing="a config change",
        who=opened.who,
        tell=tell,
        patience=patience,
    ) as app:
        release = _released(opened, app, edit)
    before, after = found
    for line in loopback_notices(change.assigned, read_host_ports(after.get(HOST_PORTS, ""))):
        tell(line)
    return ConfigOutcome(app=app.name, release=release, before=before, after=after)


def _released(opened: OpenedApp, app: App, edit: Edit) -> ReleaseRecord | None:
    """Its release phase comes first where the app has one, as after a deploy."""
    # Not at the start: a list of config vars has no need of what runs containers.
    from runner.deploys.config_release import release_config

    return release_config(opened, app, edit)


def describe(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """``Set A, B config vars``: what Heroku writes into its list of releases."""
    assigned = sorted(name for name in after if before.get(name) != after[name])
    removed = sorted(name for name in before if name not in after)
    parts = []
    if assigned:
        parts.append(f"Set {_listed(assigned)}")
    if removed:
        parts.append(f"{'remove' if parts else 'Remove'} {_listed(removed)}")
    return f"{' and '.join(parts)} config vars"


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMED])} and {more} more"


def _require_allowed(
    config_vars: Mapping[str, str], *, warn: Callable[[str], None] = lambda _: None
) -> None:
    try:
        merge_config_vars(config_vars, warn=warn)
    except ConfigVarError as err:
        raise ConfigVarError(err.problems, example=EXAMPLE) from None


def _require_unchanged(app: str, change: ConfigChange, before: Mapping[str, str]) -> None:
    changed = (
        name
        for name, seen in change.expected.items()
        if before.get(name) != seen and before.get(name) != change.assigned.get(name)
    )
    if names := tuple(sorted(changed)):
        raise ConfigConflictError(app, names)
