"""The result of a deploy and its like, in one line."""

from __future__ import annotations

from runner.deploys.deploy import Deployed
from runner.deploys.desk import Desk
from runner.deploys.taking_effect import take_effect


def tell_result(desk: Desk, deployed: Deployed, *, done: str, same: str) -> None:
    """``done`` if a release was made, ``same`` if the app was so already; once that runs."""
    take_effect(desk, deployed)
    release = deployed.release
    more = {
        "version": release.version,
        "slug": release.slug,
        "description": release.description,
        "changed": deployed.is_new,
    }
    desk.narrator.result(done if deployed.is_new else same, release=release.label, more=more)
