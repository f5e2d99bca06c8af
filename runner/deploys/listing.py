"""`slug-run releases` and `releases info`: what they show, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import printable
from buildpack.support.urls import without_passwords
from buildpack.support.values import value
from runner.deploys.errors import short
from runner.deploys.kept_slugs import KeptSlugs
from runner.deploys.rollback import is_eligible
from runner.deploys.tables import in_columns, shown_size
from runner.state.rollouts import Failure, Rollout
from runner.state.values import App, ReleaseRecord, ReleaseStatus
from slugc.slug import Slug


@value
class ReleaseView:
    """A release and what is known of it beside its row."""

    app: str
    release: ReleaseRecord
    is_current: bool
    is_eligible: bool
    """whether one can roll back to it"""
    rollout: Rollout | None
    """None where nothing brought it up: the app was not running"""
    has_slug: bool
    """False where its slug was removed; releases of config vars alone never had one"""

    @property
    def note(self) -> str:
        """What is special about it, in a few words."""
        rolled = self.rollout is not None
        status = {
            ReleaseStatus.PENDING: "being rolled out" if rolled else "release command executing",
            ReleaseStatus.FAILED: "did not come up" if rolled else "release command failed",
        }.get(self.release.status, "current" if self.is_current else "")
        gone = "slug gone" if self.release.slug is not None and not self.has_slug else ""
        return ", ".join(filter(None, (status, gone)))


def views(
    app: App,
    releases: Sequence[ReleaseRecord],
    current: ReleaseRecord | None,
    slugs: KeptSlugs,
    rollouts: Mapping[int, Rollout],
) -> tuple[ReleaseView, ...]:
    """The releases with what else is known of them; each slug is looked for once."""
    there = {slug for slug in {x.slug for x in releases if x.slug} if slugs.has(slug)}
    return tuple(
        ReleaseView(
            app=app.name,
            release=release,
            is_current=current is not None and release.version == current.version,
            is_eligible=is_eligible(release, current) and release.slug in there,
            rollout=rollouts.get(release.version),
            has_slug=release.slug in there,
        )
        for release in releases
    )


def as_text(app: App, found: Sequence[ReleaseView]) -> str:
    """The list, newest first."""
    if not found:
        return f"{app.name} has no releases yet\n"
    rows = [
        (
            each.release.label,
            printable(each.release.description, limit=60),
            each.note,
            printable(each.release.who, limit=24),
            each.release.created_at,
        )
        for each in found
    ]
    return f"=== {app.name}: releases\n{in_columns(rows)}"


def as_documents(found: Iterable[ReleaseView]) -> list[Mapping[str, object]]:
    """The list as JSON: Heroku's names where it has them."""
    return [_document(each) for each in found]


def info_text(view: ReleaseView, slug: Slug | None, path: Path | None) -> str:
    """All that is known of one release."""
    release = view.release
    rows = [
        ("Status", view.note or release.status),
        ("Change", printable(release.description, limit=300)),
        ("By", printable(release.who)),
        ("When", release.created_at),
        ("Slug", _slug_words(view, path)),
        ("Config", ", ".join(sorted(release.config_vars)) or "none set"),
    ]
    if view.rollout is not None and view.rollout.failure is not None:
        rows.append(("Failed", _failure_words(view.rollout.failure)))
    if slug is not None:
        metadata = slug.metadata
        rows.append(("Stack", f"{metadata.stack.id}, {metadata.stack.arch}"))
        if metadata.python_version:
            rows.append(("Python", metadata.python_version))
        if metadata.commit:
            rows.append(("Commit", printable(metadata.commit)))
        rows += [(name, _command(text)) for name, text in metadata.process_types.items()]
    return f"=== {view.app} {release.label}\n{in_columns(rows)}"


def info_document(view: ReleaseView, slug: Slug | None) -> Mapping[str, object]:
    """The same as JSON. Of config vars the names only."""
    types = {} if slug is None else slug.metadata.process_types
    return {
        **_document(view),
        "config_vars": sorted(view.release.config_vars),
        "process_types": {name: without_passwords(text) for name, text in types.items()},
        "stack": None if slug is None else slug.metadata.stack.id,
        "python_version": None if slug is None else slug.metadata.python_version,
        "commit": None if slug is None else slug.metadata.commit,
        "failure": None
        if view.rollout is None or view.rollout.failure is None
        else _failure_document(view.rollout.failure),
    }


def _document(view: ReleaseView) -> Mapping[str, object]:
    release = view.release
    return {
        "version": release.version,
        "status": str(release.status),
        "current": view.is_current,
        "description": release.description,
        "who": release.who,
        "created_at": release.created_at,
        "slug": release.slug,
        "slug_gone": release.slug is not None and not view.has_slug,
        "eligible_for_rollback": view.is_eligible,
    }


def _failure_words(failure: Failure) -> str:
    return printable(" ".join(filter(None, (failure.name, failure.text))), limit=300)


def _failure_document(failure: Failure) -> Mapping[str, object]:
    return {
        "container": failure.name or None,
        "reason": failure.text,
        "status": failure.status,
        "body": failure.body,
        "last_lines": list(failure.last),
    }


def _slug_words(view: ReleaseView, path: Path | None) -> str:
    if view.release.slug is None:
        return "none yet"
    if path is None or not view.has_slug:
        return f"{short(view.release.slug)}, gone: deploy it once more to bring it back"
    return f"{short(view.release.slug)}, {shown_size(path.stat().st_size)}"


def _command(text: str) -> str:
    return printable(without_passwords(text), limit=300)
