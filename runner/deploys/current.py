"""What an app runs now, for `slug-run web --app polls` and `slug-run run --app polls`."""

from __future__ import annotations

from collections.abc import Mapping

from runner.deploys.errors import NotDeployedError
from runner.deploys.kept_slugs import KeptSlugs
from runner.release import Release, create_release
from runner.state.state import opened_state
from slugc.privileges import data_dir


def current_release(name: str, env: Mapping[str, str]) -> Release:
    """The app's current release.

    Raises NoSuchAppError, NotDeployedError and SlugGoneError.
    """
    directory = data_dir(env)
    with opened_state(directory) as state:
        app = state.app(name)
        record = state.current(app)
    if record is None or record.slug is None:
        raise NotDeployedError(app.name)
    slug = KeptSlugs(directory).read(record.slug, of=f"{app.name} {record.label}")
    return create_release(slug, record.config_vars, version=record.version, app_name=app.name)
