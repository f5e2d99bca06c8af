"""What an app runs now, for `slug-run web --app polls` and `slug-run run --app polls`."""

from __future__ import annotations

from collections.abc import Mapping

from runner.deploys.errors import NotDeployedError
from runner.deploys.kept_slugs import KeptSlugs
from runner.release import Release, create_release
from runner.state.state import FILE, opened_state
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


def only_app(env: Mapping[str, str]) -> str | None:
    """The name of the only app there is; None where there is none, or which is not clear."""
    directory = data_dir(env)
    if not (directory / FILE).exists():
        return None
    with opened_state(directory) as state:
        names = [app.name for app in state.apps()]
    return names[0] if len(names) == 1 else None
