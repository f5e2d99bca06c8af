"""Which app a command is about, and what an app may be called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from buildpack.support.errors import UsageError, printable
from runner.state.errors import NoSuchAppError
from runner.state.state import State
from runner.state.values import App

VARIABLES = ("SLUG_RUN_APP", "HEROKU_APP")
"""Environment variables that name the app; the first one set counts."""

APP_NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")  # Heroku's (platform-api, app.name)


class NoAppError(UsageError):
    """A command is about an app, and there is none."""

    id = "no-app"

    def __init__(self) -> None:
        super().__init__(
            "There are no apps here yet",
            resolution="Make one, or have its first deploy make it:\n\n"
            "    slug-run apps create polls\n"
            "    slug-run deploy polls.slug --app polls --create",
        )


class SeveralAppsError(UsageError):
    """A command is about one app, and does not say which."""

    id = "several-apps"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            "There are several apps here",
            details=f"Apps here: {', '.join(self.names)}.",
            resolution="Say which one you mean:\n\n"
            f"    --app {self.names[0]}\n    export SLUG_RUN_APP={self.names[0]}",
        )


class AppNameError(UsageError):
    """A name that no app may have."""

    id = "app-name"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"'{printable(name)}' is not a name for an app",
            details="It is 3 to 30 lowercase letters, digits and '-', begins with a letter\n"
            "and does not end with '-'.",
            resolution="For example:\n\n    slug-run apps create polls-staging",
        )


def require_app_name(name: str) -> str:
    """``name``, if an app may be called so. Raises AppNameError."""
    if not APP_NAME.fullmatch(name):
        raise AppNameError(name)
    return name


def determine_app(state: State, option: str | None, env: Mapping[str, str]) -> App:
    """The app of ``--app``, of SLUG_RUN_APP or HEROKU_APP, or the only one there is."""
    apps = {app.name: app for app in state.apps()}
    for name, origin in _named(option, env):
        if name in apps:
            return apps[name]
        raise NoSuchAppError(name, tuple(apps), origin=origin)
    if len(apps) > 1:
        raise SeveralAppsError(tuple(apps))
    for app in apps.values():
        return app
    raise NoAppError


def _named(option: str | None, env: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Names given, the one that counts first, each with what to say of where it stands."""
    if option is not None:
        return ((option, ""),)
    return [(env[name], f"{name} names it. ") for name in VARIABLES if env.get(name)]
