"""`slug-run promote`: the slug of one app becomes another app's release. Config vars stay."""

from __future__ import annotations

from runner.deploys.deploy import Deployed, count_first_web, finished, with_slug
from runner.deploys.desk import Desk, changing_app
from runner.deploys.errors import NotDeployedError, PromotedToItselfError, short
from runner.deploys.phase import PhaseOptions
from runner.deploys.releasing import add_release
from runner.state.values import App, NewRelease


def promote(
    desk: Desk, source: App, target: App, options: PhaseOptions, *, force: bool = False
) -> Deployed:
    """Make the slug that ``source`` runs what ``target`` runs, after the target's release phase."""
    if source.number == target.number:
        raise PromotedToItselfError(source.name)
    with changing_app(desk, target, f"a promotion of {source.name}") as held:
        with desk.slugs.held():
            current = desk.state.current(source)
            if current is None or current.slug is None:
                raise NotDeployedError(source.name)
            what = f"{source.name} {current.label}"
            said = f"Promoting {what} (slug {short(current.slug)}) to {held.name}"
            desk.narrator.step("promoting", said, release=current.label)
            slug = desk.slugs.require_whole(current.slug, of=what)
            count_first_web(desk, held, slug.metadata.process_types)
            new = NewRelease(
                slug=current.slug,
                config_vars={},
                description=f"Promote {what} ({short(current.slug)})",
                who=desk.who,
            )
            record = add_release(desk, held, lambda now: with_slug(now, new, force=force))
        return finished(desk, held, record, options)
