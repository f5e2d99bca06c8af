"""`slug-run deploy`: a slug becomes an app's next release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import printable
from buildpack.support.values import NOTHING, value
from runner.app_json.cron import read_cron
from runner.app_json.document import Remark
from runner.app_json.manifest import read_manifest
from runner.deploys.desk import Desk, changing_app
from runner.deploys.errors import short
from runner.deploys.phase import PhaseOptions
from runner.deploys.releasing import add_release, finish_release
from runner.formation import WEB
from runner.state.values import App, NewRelease, ReleaseRecord, WantedCount
from slugc.procfile import ProcessType
from slugc.slug import Slug, read_slug
from slugc.stack import read_host_stack, require_stack
from slugc.store import Store


@value
class DeployRequest:
    """What ``slug-run deploy`` is asked. ``keys``: who must have signed, if anybody."""

    slug_file: Path
    options: PhaseOptions
    keys: tuple[str, ...] = ()
    force: bool = False
    settings: Mapping[str, object] = NOTHING
    """what is changed in how the app is kept running, if the release comes up"""


@value
class Deployed:
    """What a deploy, a promotion or the like came to."""

    app: App
    release: ReleaseRecord
    is_new: bool
    """False: it was so already"""


def read_deployable(desk: Desk, request: DeployRequest) -> Slug:
    """The slug, if it may be deployed here at all: no app is changed by looking."""
    slug = read_slug(request.slug_file)
    if request.keys:
        # cryptography and its like: only for who asks for a signature
        from slugc.supply_chain.trust import read_public_keys, require_signature

        # Over the whole file, and of this very index; what is kept is compared with that.
        require_signature(slug, read_public_keys(request.keys, desk.env))
    require_fit(slug, request.options.engine.name)
    for note in read_app_json(desk, slug, request.options.engine.name):
        desk.narrator.step("left-out", f"app.json: {note.shown}")
    return slug


def read_app_json(desk: Desk, slug: Slug, engine: str) -> tuple[Remark, ...]:
    """What app.json asks for and is left out. Raises AppJsonError for what would never run."""
    if engine == "docker":
        return ()
    # Unpacked now, so that containers start at once later, and what nobody can unpack is refused.
    layers = Store(desk.data_dir / "store").ensure_layers(slug)
    read_cron(layers)
    return read_manifest(layers).notes


def require_fit(slug: Slug, engine: str) -> None:
    """Raise StackMismatchError now, not when the first container starts."""
    host = read_host_stack()
    stack = slug.metadata.stack
    if engine != "docker" or stack.arch != host.arch:  # Docker brings the slug's own stack along
        require_stack(stack, host=host, slug=slug.archive.name)


def deploy(desk: Desk, app: App, slug: Slug, request: DeployRequest) -> Deployed:
    """Make ``slug`` what ``app`` runs. Raises ReleasePhaseError when its release command fails."""
    checksum = slug.metadata.checksum
    desk.narrator.step(
        "deploying", f"Deploying {slug.archive.name} to {app.name} (slug {short(checksum)})"
    )
    with changing_app(desk, app, "a deploy") as held:
        with desk.slugs.held():
            kept = desk.slugs.keep(slug)
            count_first_web(desk, held, kept.metadata.process_types)
            new = NewRelease(slug=checksum, config_vars={}, description=_said(kept), who=desk.who)
            record = add_release(
                desk, held, lambda current: with_slug(current, new, force=request.force)
            )
        known = desk.state.supervision(held)
        if record is None and known is not None and request.settings:
            desk.state.set_supervision(held, {**known, **request.settings})
        return finished(desk, held, record, request.options, request.settings)


def with_slug(
    current: ReleaseRecord | None, new: NewRelease, *, force: bool = False
) -> NewRelease | None:
    """``new`` with the app's own config vars; None if the app has that slug already."""
    if current is None:
        return new
    if current.slug == new.slug and not force:
        return None
    return NewRelease(
        slug=new.slug, config_vars=current.config_vars, description=new.description, who=new.who
    )


def finished(
    desk: Desk,
    app: App,
    record: ReleaseRecord | None,
    options: PhaseOptions,
    settings: Mapping[str, object] = NOTHING,
) -> Deployed:
    """The release phase of what was added; where nothing was, the release there is."""
    if record is None:
        current = desk.state.current(app)
        assert current is not None
        return Deployed(app=app, release=current, is_new=False)
    done = finish_release(desk, app, record, options, settings)
    return Deployed(app=app, release=done, is_new=True)


def count_first_web(desk: Desk, app: App, types: Mapping[ProcessType, str]) -> None:
    """One web container, if nobody has said how many of anything yet.

    Before the release is there: killed in between, it is done again by the next deploy.
    """

    def first(counts: Mapping[ProcessType, WantedCount]) -> tuple[WantedCount, ...]:
        if counts or WEB not in types:
            return ()
        return (WantedCount(process_type=WEB, quantity=1),)

    desk.state.scale(app, first)


def _said(slug: Slug) -> str:
    commit = slug.metadata.commit
    said = f"Deploy {short(slug.metadata.checksum)}"
    return f"{said} (commit {printable(commit[:8])})" if commit else said
