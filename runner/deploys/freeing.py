"""Which slugs may go: those of no release, and of old ones when a person says so."""

from __future__ import annotations

from collections.abc import Iterable

from runner.deploys.desk import Desk
from runner.deploys.kept_slugs import FreedSlug
from runner.state.values import ReleaseRecord, ReleaseStatus


def free_slugs(desk: Desk, keep: int | None = None) -> tuple[FreedSlug, ...]:
    """Remove what no release needs; with ``keep``, what none of each app's newest ``keep``
    releases that ran needs."""

    def needed() -> frozenset[str]:
        if keep is None:
            return desk.state.slugs_in_use()
        apps = desk.state.apps()
        return frozenset(
            slug for app in apps for slug in newest_slugs(desk.state.releases(app), keep)
        )

    return desk.slugs.free(needed)


def newest_slugs(releases: Iterable[ReleaseRecord], keep: int) -> frozenset[str]:
    """The slugs of the newest ``keep`` releases that ran, newest first, and of all that are newer
    than those or may run in a moment."""
    found: set[str] = set()
    ran = 0
    for number, release in enumerate(releases):
        succeeded = release.status is ReleaseStatus.SUCCEEDED and release.slug is not None
        may_run = number == 0 or release.status is ReleaseStatus.PENDING
        if release.slug is not None and ((ran < keep and succeeded) or may_run):
            found.add(release.slug)
        ran += succeeded
    return frozenset(found)
