"""Which app that is left running has the port somebody else wants."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from buildpack.support.errors import SlugkitError
from runner.errors import PortInUseError

# What has an app's port: the load balancer, or without one the way into its network.
_OURS = ("caddy ", "slirp4netns ")


def with_owner(error: SlugkitError, env: Mapping[str, str]) -> SlugkitError:
    """``error``, naming the app that has the port, if it is about one that an app has.

    Who reads of a program called caddy would end that, and it would come back.
    """
    if not isinstance(error, PortInUseError) or not (error.holder or "").startswith(_OURS):
        return error
    app = None
    with contextlib.suppress(SlugkitError):  # without the state file the program is named alone
        app = _app_at(error.port, env)
    if app is None:
        return error
    return PortInUseError(error.port, host=error.host, holder=error.holder, app=app)


def _app_at(port: int, env: Mapping[str, str]) -> str | None:
    """The app that was told to answer there; state is only read, and never made."""
    from runner.state.state import FILE, opened_state  # SQLite: only for who meets a port in use
    from runner.supervision.wanted import parse_settings
    from slugc.privileges import data_path

    data_dir = data_path(env)
    if not (data_dir / FILE).is_file():
        return None
    with opened_state(data_dir) as state:
        for app in state.apps():
            found = state.supervision(app)
            if found is not None and parse_settings(found).port == port:
                return app.name
    return None
