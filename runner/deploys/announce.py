"""Telling the log and the supervisor of an app that it has a new release."""

from __future__ import annotations

from runner.deploys.desk import Desk
from runner.state.values import App, ReleaseRecord


def announce(desk: Desk, app: App, release: ReleaseRecord) -> None:
    """Nothing is lost when nobody hears: what is wanted stands in the state."""
    desk.narrator.step(
        "released",
        f"Release {release.label} of {app.name} created by {release.who}",
        release=release.label,
    )
