"""What is wrong with an app that is left running, or with what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable


class NotUpError(SlugkitError):
    """Containers that are wanted did not come up."""

    exit_code = ExitCode.FAILED
    id = "not-up"

    def __init__(self, app: str, names: Sequence[str], *, last: Sequence[str] = ()) -> None:
        self.app, self.names, self.last = app, tuple(names), tuple(last)
        lines = [f"    {printable(line, limit=200)}" for line in self.last]
        super().__init__(
            f"{app} is not as wanted: {', '.join(self.names) or 'a successor'} did not come up",
            details="\n".join([f"The last {self.names[0]} said:", *lines]) if lines else "",
            resolution="They are tried again, with pauses that grow to a minute. See why:\n\n"
            f"    slug-run logs --app {app}",
        )


class NotRunningError(SlugkitError):
    """The app is not kept running, so there is nothing to do it to."""

    exit_code = ExitCode.FAILED
    id = "not-running"

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"{app} is not running", resolution=f"Start it:\n\n    slug-run start -d --app {app}"
        )


class NoSuchContainerError(UsageError):
    """A word that names no container and no process type that runs."""

    id = "no-such-container"

    def __init__(self, app: str, word: str, names: Sequence[str]) -> None:
        self.app, self.word, self.names = app, word, tuple(names)
        super().__init__(
            f"{app} has no container called '{printable(word)}'",
            resolution=f"It has: {', '.join(self.names) or 'none'}.",
        )


class NotUpNowError(SlugkitError):
    """One of the formation that cannot be entered, since it has no process at the moment."""

    exit_code = ExitCode.FAILED
    id = "not-up-now"

    def __init__(self, app: str, name: str, state: str) -> None:
        self.app, self.name, self.state = app, name, state
        super().__init__(
            f"{name} of {app} does not run at the moment",
            details=f"It is {state}.",
            resolution="See why, or look around in a container of its own:\n\n"
            f"    slug-run logs --app {app} -d {name}\n"
            f"    slug-run shell --app {app}",
        )
