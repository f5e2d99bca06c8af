"""`slug-run plan`: what a deploy would change, from the indexes of two slugs. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildpack.support.values import changed, value
from runner.formation import RELEASE, WEB
from runner.schedule.task import Task
from runner.state.values import ReleaseRecord, WantedCount
from slugc.procfile import ProcessType
from slugc.slug import Slug, SlugMetadata


@value
class Change:
    """One thing that is added, removed or changed; what it was and what it becomes."""

    sign: str
    """``+``, ``-`` or ``~``"""
    name: str
    before: str | None = None
    after: str | None = None


@value
class Plan:
    """What a deploy would change."""

    app: str
    current: ReleaseRecord | None
    version: int
    """that the new release would have"""
    before: Slug | None
    """None: nothing was deployed yet, or the slug is gone"""
    after: Slug
    growth: int
    """bytes of the packed slug"""
    layers: tuple[Change, ...]
    facts: tuple[Change, ...]
    """stack, Python, commit"""
    buildpacks: tuple[Change, ...]
    types: tuple[Change, ...]
    config_vars: tuple[Change, ...]
    """the slug's own defaults, by name; no value of any config var is in here"""
    overridden: tuple[str, ...]
    """those of them that the app has set itself, so that nothing changes for it"""
    counts: Mapping[ProcessType, int]
    """containers of each type after the deploy"""
    tasks: tuple[Change, ...] = ()
    """those in app.json, with their times and commands"""

    @property
    def is_change(self) -> bool:
        """False: the app has that slug already, and no release would be made."""
        return self.current is None or self.current.slug != self.after.metadata.checksum

    @property
    def release_command(self) -> str | None:
        return self.after.metadata.process_types.get(RELEASE)


def plan_deploy(
    app: str,
    *,
    current: ReleaseRecord | None,
    newest: int,
    before: Slug | None,
    after: Slug,
    counts: Mapping[ProcessType, WantedCount],
) -> Plan:
    """Compare the slug that runs with the one that would."""
    old = before.metadata if before else None
    new = after.metadata
    own = current.config_vars if current else {}
    defaults = _named(_changes(old.config_vars if old else {}, new.config_vars))
    return Plan(
        app=app,
        current=current,
        version=newest + 1,
        before=before,
        after=after,
        growth=_size(new) - (_size(old) if old else 0),
        layers=_named(_changes(_layers(old), _layers(new))),
        facts=_changes(_facts(old), _facts(new)),
        buildpacks=_changes(_buildpacks(old), _buildpacks(new)),
        types=_changes(_types(old), _types(new)),
        config_vars=defaults,
        overridden=tuple(change.name for change in defaults if change.name in own),
        counts=_counts(counts, new.process_types),
    )


def with_tasks(plan: Plan, before: Sequence[Task], after: Sequence[Task]) -> Plan:
    """The same plan, with what becomes of the tasks in app.json, which no index holds."""
    return changed(plan, tasks=_changes(_tasks(before), _tasks(after)))


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    found = []
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            sign = "+" if old is None else "-" if new is None else "~"
            found.append(Change(sign=sign, name=name, before=old, after=new))
    return tuple(found)


def _tasks(tasks: Sequence[Task]) -> dict[str, str]:
    return {task.name: f"{task.rhythm.key}: {task.command}" for task in tasks}


def _named(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Without values: digests nobody reads, or what may be secret."""
    return tuple(Change(sign=change.sign, name=change.name) for change in changes)


def _size(metadata: SlugMetadata) -> int:
    return sum(layer.size for layer in metadata.layers)


def _layers(metadata: SlugMetadata | None) -> dict[str, str]:
    return {layer.name: layer.diff_id for layer in metadata.layers} if metadata else {}


def _facts(metadata: SlugMetadata | None) -> dict[str, str]:
    if metadata is None:
        return {}
    found = {
        "stack": metadata.stack.id,
        "python": metadata.python_version or "",
        "commit": (metadata.commit or "")[:8],
    }
    return {name: text for name, text in found.items() if text}


def _types(metadata: SlugMetadata | None) -> dict[str, str]:
    return {str(name): text for name, text in metadata.process_types.items()} if metadata else {}


def _buildpacks(metadata: SlugMetadata | None) -> dict[str, str]:
    return {each.name: each.version for each in metadata.buildpacks} if metadata else {}


def _counts(
    counts: Mapping[ProcessType, WantedCount], types: Mapping[ProcessType, str]
) -> Mapping[ProcessType, int]:
    """What was scaled; one web at the first deploy; none of what nobody has scaled."""
    wanted = {name: count.quantity for name, count in counts.items()} or {WEB: 1}
    return {name: wanted.get(name, 0) for name in types if name != RELEASE}
